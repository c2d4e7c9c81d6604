/** Uploads a file with progress: `fetch` cannot say how far a request body is. */
import { ApiError, api, body } from './client';

export interface UploadProgress {
  loaded: number;
  total: number;
}

/** Asks for an upload address and streams the file to it; resolves to the upload's id, SHA-256 and size. */
export async function upload(
  file: File,
  onProgress: (progress: UploadProgress) => void,
  signal?: AbortSignal,
): Promise<{ id: string; sha256: string; size: number }> {
  const place = body(await api.POST('/api/v1/uploads', { body: { file_name: file.name, size: file.size } }));
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', place.upload_path);
    request.setRequestHeader('content-type', 'application/octet-stream');
    request.responseType = 'json';
    request.upload.onprogress = (e) => onProgress({ loaded: e.loaded, total: e.total });
    request.onload = () => {
      const answer = request.response as Record<string, string> | null;
      if (request.status < 300) resolve(answer as unknown as { id: string; sha256: string; size: number });
      else reject(new ApiError(request.status, answer?.code ?? 'unknown', answer?.detail ?? request.statusText));
    };
    request.onerror = () => reject(new ApiError(0, 'network', 'The upload was cut off.'));
    request.onabort = () => reject(new ApiError(0, 'aborted', 'The upload was stopped.'));
    signal?.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
