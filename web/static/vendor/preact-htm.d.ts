// What preact-htm.js exports, for tsc alone: the page is not sent this.
export { render, h, Component, createContext } from "preact";
export * from "preact/hooks";

/** tsc does not look into templates: what stands in them may be anything, and what is called back takes anything. */
type Inserted = ((...given: any[]) => unknown) | object | string | number | bigint | boolean | null | undefined;
export function html(strings: TemplateStringsArray, ...values: Inserted[]): import("preact").VNode;

/** A reference that begins empty is to what the template says: null only before it is drawn. */
export function useRef(initial: null): { current: any };
export function useRef<T>(initial: T): { current: T };
