/** The one way to the server: types generated from the committed OpenAPI file, one error type for every refusal. */
import createClient, { type Middleware } from 'openapi-fetch';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];
export type Problem = Schemas['Problem'];

/** A refusal of the server (RFC 9457), or of the network (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly field?: string | null,
  ) {
    super(detail);
    this.name = 'ApiError';
  }
}

type Listener = () => void;
const onUnauthorized = new Set<Listener>();

/** Called whenever the server says that the session is no longer good. */
export function whenUnauthorized(listener: Listener): () => void {
  onUnauthorized.add(listener);
  return () => onUnauthorized.delete(listener);
}

const problems: Middleware = {
  async onResponse({ response, schemaPath }) {
    if (response.ok) return;
    const error = await toError(response);
    // Who asks who it is gets the answer itself; everybody else makes that question be asked again.
    const asks = schemaPath === '/api/v1/login' || schemaPath === '/api/v1/me';
    if (error.status === 401 && !asks) onUnauthorized.forEach((tell) => tell());
    throw error;
  },
  onError() {
    return new ApiError(0, 'network', 'The server cannot be reached.');
  },
};

/** Reads the problem body of an answer that is not good. */
export async function toError(response: Response): Promise<ApiError> {
  try {
    const body = (await response.json()) as Partial<Problem>;
    return new ApiError(response.status, body.code ?? 'unknown', body.detail ?? response.statusText, body.field);
  } catch {
    return new ApiError(response.status, 'unknown', response.statusText);
  }
}

export const api = createClient<paths>({ baseUrl: '/', credentials: 'same-origin' });
api.use(problems);

/** Takes the body of an answer that the middleware has found good. */
export function body<T>(answer: { data?: T }): T {
  return answer.data as T;
}
