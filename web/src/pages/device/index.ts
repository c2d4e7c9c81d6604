export { DeviceDetail, TABS as DEVICE_TABS } from './detail';
export { DeviceList } from './list';
