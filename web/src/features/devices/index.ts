export { ChangeDevices } from './change';
