import { exactEngine, ivfEngine } from '../../src/knn/index.ts';
import { describeEngine } from './conformance.ts';

describeEngine(exactEngine);
describeEngine(ivfEngine);
describeEngine(ivfEngine, 2);
