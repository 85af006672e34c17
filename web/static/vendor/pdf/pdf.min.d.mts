// What of pdf.min.mjs the frame uses, for tsc alone: the page is not sent this.
interface Viewport { width: number; height: number }
export interface PdfPage {
  getViewport(wanted: { scale: number }): Viewport;
  render(wanted: { canvasContext: CanvasRenderingContext2D; viewport: Viewport }): { promise: Promise<void> };
  getTextContent(): Promise<{ items: { str: string; hasEOL: boolean }[] }>;
}
export interface Pdf { numPages: number; getPage(number: number): Promise<PdfPage> }
export function getDocument(wanted: object): { promise: Promise<Pdf> };
export const GlobalWorkerOptions: { workerSrc: string };
