/** Texts as an enemy would have them, by what they try. */
export const HOSTILE_TEXTS: Readonly<Record<string, string>> = {
  script: '<script>globalThis.hacked = 1</script> red square',
  'event handler': '"><img src=x onerror="globalThis.hacked = 1"> red square',
  'svg with a script':
    '<svg/onload=globalThis.hacked=1><a xlink:href="javascript:globalThis.hacked=1">x</a></svg> red',
  'style that covers the page':
    '</style><style>*{display:none!important}</style><div style="position:fixed;inset:0">red',
  template: '{{constructor.constructor("globalThis.hacked=1")()}} #{globalThis.hacked=1} <%= 1 %> red',
  entities: '&lt;b&gt; &#60;script&#62; &amp;amp; &nbsp; red',
  comment: '<!-- --!> ]]> <![CDATA[ red -->',
  'remote picture': '<img src="https://evil.example/pixel.gif"> <link rel=prefetch href=//evil.example/> red',
  'base and meta':
    '<base href="https://evil.example/"><meta http-equiv=refresh content="0;url=https://evil.example/">',
  form: '</p></div></main><form action="https://evil.example/"><input autofocus onfocus="globalThis.hacked=1">',
  'turned by overrides': '\u202eerauqs der\u202c \u2066abc \u202e end \u2069\u2067',
  'turned, never closed': 'red \u202e\u202e\u202e\u2067\u2067 square',
  'right to left': 'مربع أحمر على خلفية بيضاء 123 (red) שלום עולם',
  'zero width': 're\u200bd\u200c \u200d\ufeffsq\u2060uare\u00ad',
  'combining marks': `r${'\u0301\u0323\u0338'.repeat(60)}e${'\u0310\u0347'.repeat(80)}d square`,
  'NUL and controls': 'red\u0000 sq\u0007u\u001b[31mare\u007f\u0085\u2028\u2029 end',
  'lone surrogates': 'red \ud83d square \ude00 end',
  emoji: '👩‍👩‍👧‍👦🏳️‍🌈🇩🇪👍🏽 red square 🟥',
  'one word of 10,000 characters': 'r'.repeat(10_000),
  '10,000 characters': 'red square '.repeat(1000).slice(0, 10_000),
  'wide characters': '﷽'.repeat(200),
  'line breaks': `red${'\n'.repeat(500)}square\t\t\tend\r\n`,
  nothing: '',
  'spaces alone': ' \u00a0\u3000\t ',
  'object keys': '__proto__ constructor toString red',
};

/** Addresses as an enemy would have them. A browser may follow none of them but those of http and https. */
export const HOSTILE_ADDRESSES: readonly string[] = [
  'javascript:globalThis.hacked=1',
  'JaVaScRiPt:globalThis.hacked=1//https://images.example/',
  ' \u0001javascript:globalThis.hacked=1',
  'java\nscript:globalThis.hacked=1',
  'data:text/html,<script>globalThis.hacked=1</script>',
  'vbscript:msgbox(1)',
  'file:///etc/passwd',
  'blob:https://evil.example/1',
  'about:blank',
  '//evil.example/relative',
  '\\\\evil.example\\share',
  'https://user:password@evil.example/',
  'https://evil.example/"onmouseover="globalThis.hacked=1',
  'https://evil.example/\u202egpj.exe',
  `https://evil.example/${'a'.repeat(8000)}`,
  'https://xn--80ak6aa92e.example/\u0000',
  '',
];
