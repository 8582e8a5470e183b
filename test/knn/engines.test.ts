import { exactEngine } from '../../src/knn/index.ts';
import { describeEngine } from './conformance.ts';

describeEngine(exactEngine);
