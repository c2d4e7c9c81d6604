export { EditGroup, EditProduct, EditRegion } from './edit';
