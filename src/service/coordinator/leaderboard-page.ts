import { Hono } from 'hono';
import { html } from 'hono/html';
import { API, type Leaderboard } from '../../executors/fleet/volunteer/protocol.ts';

/** How long an answer is kept, in milliseconds: anybody may ask. */
const KEPT_MS = 5_000;

const STYLE = `:root{color-scheme:light dark;--text:#1c1e21;--soft:#5c636b;--line:#d8dce0;--page:#fff;--accent:#0b63c5}
@media(prefers-color-scheme:dark){:root{--text:#eceef0;--soft:#a3abb3;--line:#3a4047;--page:#16191c;--accent:#7db7ff}}
body{margin:0;background:var(--page);color:var(--text);font:16px/24px system-ui,sans-serif}
main{max-width:720px;margin:0 auto;padding:32px 16px}
h1{font-size:24px;line-height:32px;margin:0 0 8px}
p{margin:0 0 24px;color:var(--soft)}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:8px;border-bottom:1px solid var(--line);text-align:right;vertical-align:top}
th{font-weight:600;color:var(--soft)}
th:nth-child(2),td:nth-child(2){text-align:left;overflow-wrap:anywhere}
th:first-child,td:first-child{width:3ch;color:var(--soft)}
a{color:var(--accent)}
`;

/** The leaderboard as JSON and as a page; names are shown as text. */
export function leaderboardRoutes(read: () => Promise<Leaderboard>): Hono {
  const routes = new Hono();
  let asked = Number.NEGATIVE_INFINITY;
  let kept: Promise<Leaderboard> | undefined;
  const leaders = (): Promise<Leaderboard> => {
    if (!kept || performance.now() - asked > KEPT_MS) {
      asked = performance.now();
      kept = read();
      kept.catch(() => {
        kept = undefined;
      });
    }
    return kept;
  };
  routes.get(`${API}/leaderboard`, async (c) => c.json(await leaders()));
  routes.get('/leaderboard.css', (c) => c.body(STYLE, 200, { 'Content-Type': 'text/css; charset=utf-8' }));
  routes.get('/', async (c) => c.html(page(await leaders())));
  return routes;
}

function page({ volunteers }: Leaderboard) {
  const rows = volunteers.map(
    ({ name, pairs, shards, since }, i) => html`<tr><td>${i + 1}</td><td><bdi>${name}</bdi></td>
<td>${pairs.toLocaleString('en')}</td><td>${shards.toLocaleString('en')}</td><td>${since}</td></tr>
`,
  );
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Volunteers</title><link rel="stylesheet" href="/leaderboard.css"></head>
<body><main><h1>Volunteers</h1>
<p>${volunteers.length === 0 ? 'Nobody has sent a shard yet.' : 'Image and text pairs that were looked at, checked and accepted.'}</p>
<table><thead><tr><th scope="col">#</th><th scope="col">Name</th><th scope="col">Pairs</th>
<th scope="col">Shards</th><th scope="col">Since</th></tr></thead><tbody>
${rows}</tbody></table></main></body></html>
`;
}
