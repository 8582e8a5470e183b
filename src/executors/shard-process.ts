import {
  type ShardEnvironment,
  type ShardOrder,
  type ShardResult,
  ShardRunner,
} from '../pipeline/download/runner.ts';
import { serveOrders } from './serve-orders.ts';

serveOrders<ShardOrder, ShardEnvironment, ShardResult>((environment) => ShardRunner.open(environment));
