export { FirmwareDetail } from './detail';
export { FirmwareList } from './list';
