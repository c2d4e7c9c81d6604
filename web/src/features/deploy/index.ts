export { Deploy } from './deploy';
