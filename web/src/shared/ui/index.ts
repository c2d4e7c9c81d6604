export * from './bits';
export * from './states';
export * from './table';
export * from './live';
export * from './confirm';
export { theme } from './theme';
export { TimeChart, type Curve } from './chart';
