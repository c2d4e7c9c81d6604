export { ContentDetail } from './detail';
export { ContentList } from './list';
