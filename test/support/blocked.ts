import { Worker } from 'node:worker_threads';

/**
 * Ends a test file that blocks its process, and says where it stands. A test's own time limit is a timer of the same
 * thread: a loop without end, or the printed difference of two large values that are not equal, outlives it.
 */

/** Blocked for so long is blocked for ever: the time limit of a test is less than half of it. */
const LIMIT_MS = 5 * 60_000;
/** What a file may take in all: nothing limits the time in which it is loaded. `npm run chaos` takes half an hour. */
const FILE_LIMIT_MS = 45 * 60_000;
const BEAT_MS = 10_000;

/** Plain JavaScript, since it is begun for each file. It sleeps until a beat comes, or does not. */
const WATCH = `
const { Session } = require('node:inspector');
const { writeSync } = require('node:fs');
const { beats, limit, fileLimit } = require('node:worker_threads').workerData;
let seen = 0;
let beat = 'ok';
while (beat !== 'timed-out' && performance.now() < fileLimit) {
  beat = Atomics.wait(beats, 0, seen, limit);
  seen = Atomics.load(beats, 0);
}
const why = beat === 'timed-out' ? 'blocked for ' + limit / 1000 + ' s' : 'not done after ' + fileLimit / 1000 + ' s';
const end = (where) => {
  writeSync(2, 'a test file is ' + why + ', and was ended: ' + where + '\\n');
  process.kill(process.pid, 'SIGKILL');
};
const session = new Session();
session.connectToMainThread();
session.on('Debugger.paused', ({ params: { callFrames } }) =>
  end(callFrames.map(({ functionName, url, location }) =>
    '\\n  ' + (functionName || '?') + ' (' + url + ':' + (location.lineNumber + 1) + ')').join('')));
session.post('Debugger.enable', () => session.post('Debugger.pause'));
setTimeout(() => end('in native code'), 10000);
`;

const beats = new Int32Array(new SharedArrayBuffer(4));
setInterval(() => {
  Atomics.add(beats, 0, 1);
  Atomics.notify(beats, 0);
}, BEAT_MS).unref();
new Worker(WATCH, { eval: true, workerData: { beats, limit: LIMIT_MS, fileLimit: FILE_LIMIT_MS } }).unref();
