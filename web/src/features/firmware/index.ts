export { RegisterFirmware } from './register';
