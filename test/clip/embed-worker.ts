import { parentPort, workerData } from 'node:worker_threads';
import { loadClip } from '../../src/clip/index.ts';

const model = await loadClip(workerData.dir);
const images = await model.embedImages([workerData.image]);
const texts = await model.embedTexts(['cat']);
await model.close();
parentPort?.postMessage({ images, texts });
