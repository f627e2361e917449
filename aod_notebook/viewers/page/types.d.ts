/** What the parts work with, for the type checker; the page does not need it. */

type Page = import("./stream.js").Page;
type RowStore = import("./store.js").RowStore;

/** The page side of a widget: it gets its model, and messages that came before the module did. */
type WidgetMaker = (
  model: Model,
  early: [any, DataView[]][],
) => {
  /** Be shown in an element; what is returned is called when that is taken away. */
  show(el: HTMLElement): () => void;
  close(): void;
};

/** A view of a widget in one output. */
interface OutputView {
  root: HTMLElement;
  attached(): void;
  close(): void;
}

/** A view of records (`records.js`). */
interface RecordView extends OutputView {
  header(): void;
  /** Records have come. */
  changed(): void;
  /** A second has passed. */
  tick(): void;
  /** A message for it, or for all. */
  receive(message: any): void;
}

/** A span of a trace; times in microseconds, the start from an origin of the kernel's. */
interface Span {
  parent: number;
  start: number | null;
  duration: number | null;
  flags: number;
  kind: string;
  name: string;
  text: string;
  tokens: number | null;
  cost: number | null;
  own: number | null;
  bad: string;
  order: number;
}

/** A row of a board (`board/row.py`); what is unknown is null, or empty. */
interface BoardRow {
  id: string;
  status: string;
  prompt: string;
  agent: string;
  model: string;
  turns: number | null;
  tools: number | null;
  failed: number | null;
  tokens: number | null;
  cost: number | null;
  /** Seconds from its start to its end. */
  duration: number | null;
  /** Seconds since 1970. */
  created: number | null;
  last: string;
  isRun: boolean;
  /** The tools that failed, with how often. */
  failing: [string, number][];
}

/** What a `VirtualList` asks of its owner. */
interface ListOwner {
  estimate(key: number): number;
  element(key: number, place: number): HTMLElement;
  update?(key: number, element: HTMLElement): void;
  reuse?(key: number, place: number, element: HTMLElement): void;
  before?(): void;
  after?(): void;
  /** The reader has left the end. */
  left?(): void;
}

/** What all rows are drawn with. */
interface Look {
  query: RegExp | null;
  raw: boolean;
}

/** A row on the wire (`wire.wire_rows`): a line of output, or kind, text, title, flags, depth, parent, length, marks. */
type WireRow =
  | string
  | [number, string, string?, number?, number?, number?, number?, number[]?, number?, Extra?];

/** A text, or the tag, the attributes and the content of an element (`words.tree`). */
type WordNode = string | [string, Record<string, string>, ...any[]];

/** Lines (sign, old and new number, text, where it changed), and how many there are (`diffs.Diff`). */
interface Diff {
  lines: [string, number | null, number | null, string, number, number][];
  added: number | null;
  removed: number | null;
  cut: number;
}

/** What a row shows beside its text (`row.Extra`). */
interface Extra {
  note?: string;
  last?: string;
  bad?: string;
  took?: number | null;
  diff?: Diff;
  todo?: [string, string][];
  image?: string;
  short?: string;
  words?: WordNode[];
  folds?: boolean;
}

/** A row as the page keeps it. */
interface Row {
  kind: number;
  text: string;
  title: string;
  flags: number;
  depth: number;
  parent: number;
  /** How long the whole text is, in characters. */
  size: number;
  /** Start, end and style of each coloured part, one after the other. */
  marks: number[];
  extra: Extra;
}

/** What the header says (`feed.RowFeed.facts`) and what can be done (`stream.StreamViewer`). */
interface Facts {
  key: string;
  title: string;
  status: string;
  label: string;
  about: string;
  final: boolean;
  frozen: boolean;
  elapsed: number;
  id?: string;
  /** The row that readers are sent to, -1 if it is not there yet; and how often they were. */
  at?: [number, number];
  /** What goes on, and for how many seconds that went on when this was sent. */
  activity?: string;
  waited?: number;
  can: string[];
  /** The magic that shows it again in a new kernel. */
  again: string;
  questions: { key: string; text: string; choices: string[] }[];
}

/** The part of anywidget's model that is used. */
interface Model {
  get(name: string): any;
  on(name: string, callback: Function): void;
  off?(name: string, callback: Function): void;
  send(content: object): void;
  widget_manager?: any;
}

/** A part of a text that looks the same throughout. */
interface Segment {
  text: string;
  style: number;
  href: string;
  hit: boolean;
}
