// A decoder that does as the first byte of its picture says: dies, never ends, or answers.
process.once('disconnect', () => process.exit());
process.on('message', (bytes) => {
  if (bytes[0] === 1) process.kill(process.pid, 'SIGSEGV');
  else if (bytes[0] === 2) for (;;);
  else process.send({ kept: true, value: { data: bytes, width: 1, height: 1, cropped: true } });
});
