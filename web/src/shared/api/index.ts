export { ApiError, api, body, toError, whenUnauthorized, type Problem, type Schemas } from './client';
export { useEventStream, type StreamState } from './events';
export { upload, type UploadProgress } from './upload';
