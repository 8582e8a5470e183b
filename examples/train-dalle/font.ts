/** A small font of dots, so that captions can be drawn where no font is installed. */

/** Nine rows of five dots, each a digit of base 32: two rows above the lower case, two below the line. */
const GLYPHS: Readonly<Record<string, string>> = {
  a: '00e1fhf00',
  b: 'gguhhhu00',
  c: '00fgggf00',
  d: '11fhhhf00',
  e: '00ehvge00',
  f: '68s888800',
  g: '00fhhhf1e',
  h: 'gguhhhh00',
  i: '40c444e00',
  j: '2062222ic',
  k: 'ggikoki00',
  l: 'c44444e00',
  m: '00qllll00',
  n: '00uhhhh00',
  o: '00ehhhe00',
  p: '00uhhhugg',
  q: '00fhhhf11',
  r: '00mpggg00',
  s: '00fge1u00',
  t: '88s888600',
  u: '00hhhhf00',
  v: '00hhha400',
  w: '00hllla00',
  x: '00ha4ah00',
  y: '00hhhhf1e',
  z: '00v248v00',
  '0': 'ehpljhe00',
  '1': '4c4444e00',
  '2': 'eh1248v00',
  '3': 'v2421he00',
  '4': '26aiv2200',
  '5': 'vgu11he00',
  '6': '68guhhe00',
  '7': 'v12488800',
  '8': 'ehhehhe00',
  '9': 'ehhf12c00',
  '.': '00000cc00',
  ',': '000004480',
  ':': '000400400',
  "'": '448000000',
  '-': '0000e0000',
  '(': '248884200',
  ')': '842224800',
  ' ': '000000000',
};
/** What has no glyph is a box. */
const UNKNOWN = 'vhhhhhv00';
const [COLUMNS, ROWS] = [5, 9];
/** From one letter to the next, in dots. */
const ADVANCE = COLUMNS + 1;

/** Height of a line in dots. */
export const LINE_DOTS = ROWS;

/** Draws a line of text, in lower case, by `dot(x, y)`; what is past `width` dots is left out. */
export function drawText(text: string, width: number, dot: (x: number, y: number) => void): void {
  [...text.toLowerCase()].slice(0, Math.floor(width / ADVANCE)).forEach((letter, i) => {
    const glyph = GLYPHS[letter] ?? UNKNOWN;
    for (let y = 0; y < ROWS; y++) {
      const bits = Number.parseInt(glyph[y] ?? '0', 32);
      for (let x = 0; x < COLUMNS; x++) if ((bits >> (COLUMNS - 1 - x)) & 1) dot(i * ADVANCE + x, y);
    }
  });
}
