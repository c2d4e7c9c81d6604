export { FirstPassword, Login, MIN_PASSWORD } from './login';
export { Locked } from './lock';
export { Mark } from './mark';
export { Preferences } from './preferences';
