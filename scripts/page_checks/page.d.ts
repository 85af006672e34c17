// What the page itself sets on the browser's window.
declare namespace tus {
  interface Options {
    endpoint: string;
    uploadUrl: string | null;
    metadata: Record<string, string>;
    uploadDataDuringCreation: boolean;
    storeFingerprintForResuming: boolean;
    retryDelays: number[];
    onShouldRetry(error: TusError): boolean;
    onProgress(sent: number): void;
    onUploadUrlAvailable(): void;
    onSuccess(): void;
    onError(error: TusError): void;
  }
  interface TusError extends Error {
    originalRequest?: object | null;
    originalResponse?: { getStatus(): number; getBody(): string } | null;
  }
  class Upload {
    constructor(file: File, options: Options);
    url: string;
    start(): void;
    abort(): Promise<void>;
  }
}

/** What may stand in a template as a text: a text, or something drawn with texts in it. */
type Drawn = string | import("preact").VNode | unknown[];
