export { Guard } from './guard.ts';
export { FETCH_COST, type GuardLimits, guardLimits, PICTURE_COST } from './limits.ts';
export { requestContext } from './request-context.ts';
