export { DeploymentDetail } from './detail';
export { DeploymentList } from './list';
