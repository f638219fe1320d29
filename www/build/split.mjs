// The search module in three parts: what leads to the first reads of a search; what goes on with them, which comes
// behind it in the same file, so that it arrives while these reads are under way; and the rest, which the first
// search that calls any of it loads. They share one memory; calls between them go by import.
import binaryen from 'binaryen';

/** What runs when the first reads of a search have come. What only this calls goes with it. */
const NEXT = [
  /^coracle::search::engine::Engine<.*>::find::\{\{closure\}\}/,
  /^core::ptr::drop_in_place<coracle::search::engine::Engine<.*>::find::\{\{closure\}\}>/,
  /^coracle::store::Store<.*>::receive\b/,
  /^coracle::text::excerpt::/,
  /^coracle::vector::arch::/,
  /^coracle_wasm::convert::result\b/,
];

/**
 * What plain searches do without: filters, facets and exact searches, graphs, embeddings that are given,
 * reading single passages, explanations, suggestions, and refusing options. What only these call goes with them. What
 * says that a read failed stays: then the rest may not come either. Functions meant for it are
 * `#[inline(never)]`, since code that the compiler puts into its caller stays with that.
 */
const REST = [
  /^coracle::filter::(?!bitmap::)/,
  /^coracle::filter::bitmap::Bitmap::spread\b/,
  /^coracle::graph::/,
  /^coracle::cells::.*Cells>::(estimate|load|search)\b/,
  /^coracle::vector::(projection::|binary::BinaryRows::)/,
  /^coracle::search::dense::LoadCells::/,
  /^coracle::search::.*::(admitted|explain|facets|load_cells|load_column|missing_fields|nearest_resident|not_estimated|read_projection|refusal)\b/,
  /^coracle::search::lexical::suggest::/,
  /^coracle_wasm::convert::(explanation|filter|names|numbers|one_of|passage|refusal|tree)\b/,
  /^coracle_wasm::index::CoracleIndex::passage\b/,
  /^coracleindex_passage$/,
  /^core::ptr::drop_in_place<coracle::filter::Filter/,
  /^<coracle::filter::.* as core::fmt::Display>::fmt\b/,
];

/**
 * Functions of searches: of those that the rest shares with what goes on with a search, it calls these. Of others, small
 * ones that every code uses, it has its own, since it may be called before.
 */
const SEARCH = /^coracle::(cells|index|search|store|text|vector)::/;

const { BulkMemory, BulkMemoryOpt, CallIndirectOverlong, Multivalue, MutableGlobals, NontrappingFPToInt, ReferenceTypes, SIMD128, SignExt } = binaryen.Features;
const FEATURES = BulkMemory | BulkMemoryOpt | CallIndirectOverlong | Multivalue | MutableGlobals | NontrappingFPToInt | ReferenceTypes | SIMD128 | SignExt;

/** Where the module's imports come from in the glue's object of imports. */
const GLUE = './coracle_bg.js';

/**
 * Splits a module whose functions have names, and the glue with it: a file of JavaScript and one of types.
 *
 * @returns {{ first: Uint8Array, next: Uint8Array, rest: Uint8Array, glue: string, types: string }}
 */
export function split(whole, glue, types) {
  const [first, next, rest] = [parse(whole), parse(whole), parse(whole)];
  const names = new Map(functions(first).map(({ name }, at) => [name, at.toString(36)]));
  // What the glue gives has long names, which nothing compresses, in the module and in the script.
  const given = new Map(functions(first).filter(({ module }) => module === GLUE).map(({ name, base }) => [base, `_${names.get(name)}`]));
  for (const part of [first, next, rest]) {
    for (const { name, base, params, results } of functions(part).filter(({ module }) => module === GLUE)) {
      part.removeFunction(name);
      part.addFunctionImport(name, GLUE, given.get(base), params, results);
    }
  }
  // What is moved away, and what only that calls, is left out of the first part. The others call what is left in it.
  const toRest = move(first, 'rest', names, REST);
  const toNext = move(first, 'next', names, NEXT);
  // A part puts into the table what it has: calls by table go straight to it.
  fill(first, (name) => !toNext.includes(name));
  fill(next, (name) => toNext.includes(name));
  fill(rest, () => false);
  shake(first);
  const inFirst = own(first);
  reduce(next, first, names, toNext, { first: inFirst, rest: toRest });
  const inNext = own(next).filter((name) => SEARCH.test(name));
  reduce(rest, first, names, toRest, { first: inFirst, next: inNext });
  give(next, names, called(rest, 'next'));
  give(first, names, [...called(next, 'first'), ...called(rest, 'first')]);
  return { first: written(first), next: written(next), rest: written(rest), glue: joined(glue, given), types: types + TYPES };
}

/** The names of a part's own functions. */
const own = (part) => functions(part).filter(({ module }) => module === '').map(({ name }) => name);

/** The names of the functions that a part has from another one. */
const called = (part, from) => functions(part).filter(({ module }) => module === from).map(({ name }) => name);

/** Has a part take those of its functions from another one that have such names; returns their names. */
function move(part, to, names, which) {
  const moved = functions(part).filter(({ name, module }) => module === '' && which.some((one) => one === name || (one instanceof RegExp && one.test(name))));
  for (const { name, params, results } of moved) {
    part.removeFunction(name);
    part.addFunctionImport(name, to, names.get(name), params, results);
  }
  return moved.map(({ name }) => name);
}

/** Leaves a part what it gives, and what that calls but takes from others. */
function reduce(part, first, names, gives, takes) {
  for (const { name } of exportsOf(part)) part.removeExport(name);
  for (const [from, which] of Object.entries(takes)) move(part, from, names, which);
  share(first, part);
  give(part, names, gives);
  shake(part);
}

/** Lets other parts take these functions. */
function give(part, names, which) {
  const given = new Set(exportsOf(part).map(({ name }) => name));
  for (const name of new Set(which)) if (!given.has(names.get(name))) part.addFunctionExport(name, names.get(name));
}

function parse(bytes) {
  const module = binaryen.readBinary(bytes);
  module.setFeatures(FEATURES);
  return module;
}

function written(module) {
  // Only tools look at the list of features.
  module.runPasses(['strip-target-features']);
  const bytes = module.emitBinary();
  if (!WebAssembly.validate(bytes)) throw new Error('a part of the split module is not valid');
  return bytes;
}

/** Drops what is neither exported, nor called, nor in the table, from where other parts may call it. */
function shake(module) {
  const inTable = new Set(elements(module).flatMap(({ data }) => data));
  for (const name of inTable) module.addFunctionExport(name, `in table ${name}`);
  module.runPasses(['remove-unused-module-elements']);
  for (const name of inTable) module.removeExport(`in table ${name}`);
}

/** Leaves in the table what `pick` takes. */
function fill(module, pick) {
  for (const { name: segment, table, offset, data } of elements(module)) {
    const from = binaryen.getExpressionInfo(offset).value;
    module.removeElementSegment(segment);
    let run = [];
    [...data, undefined].forEach((name, at) => {
      if (name !== undefined && pick(name)) return run.push(name);
      const start = from + at - run.length;
      if (run.length > 0) module.addActiveElementSegment(table, `${segment} ${start}`, run, module.i32.const(start));
      run = [];
    });
  }
}

/** Memory, tables and globals are the first part's; another one imports them. */
function share(first, rest) {
  const exported = new Map(exportsOf(first).map(({ kind, name, value }) => [`${kind} ${value}`, name]));
  /** The name under which the first part exports something, which it does from now on. */
  const exportOf = (kind, name, add) => exported.get(`${kind} ${name}`) ?? (add(name, name), name);

  const { initial } = rest.getMemoryInfo();
  rest.setMemory(initial, -1, null, []);
  rest.addMemoryImport('0', 'first', exportOf(binaryen.ExternalMemory, '0'), false);
  for (const { name } of tables(rest)) {
    rest.addTableImport(name, 'first', exportOf(binaryen.ExternalTable, name, first.addTableExport));
  }
  for (const { name, type, mutable } of globals(rest)) {
    rest.removeGlobal(name);
    rest.addGlobalImport(name, 'first', exportOf(binaryen.ExternalGlobal, name, first.addGlobalExport), type, mutable);
  }
}

/**
 * The glue of a split module. What goes on with a search is to be there before it is called, the first call of a
 * function of the rest gives the rest its instance: calls cannot wait, so neither can what loads it.
 */
function joined(glue, given) {
  const replace = (text, by) => {
    if (!glue.includes(text)) throw new Error(`the glue has no \`${text}\``);
    glue = glue.replace(text, () => by);
  };
  for (const [long, short] of given) replace(` ${long}: function`, ` ${short}: function`);
  replace(`"${GLUE}": import0,`, `"${GLUE}": import0, next, rest,`);
  return `${glue}
let loadRest, nextExports, restExports;
const part = (instance) => new Proxy({}, { get: (_, name) => (...args) => instance()[name](...args) });
const exportsOf = (module) => new WebAssembly.Instance(module, { ...__wbg_get_imports(), first: wasm, ...(nextExports && { next: nextExports }) }).exports;
const next = part(() => nextExports);
const rest = part(() => (restExports ??= exportsOf(loadRest())));
export function onNext(module) { nextExports ??= exportsOf(module); }
export function onRest(load) { loadRest = load; }
`;
}

/** What the glue's declarations lack. */
const TYPES = `
/** Takes the module's second part, without which a search must not be stepped a second time. */
export function onNext(module: WebAssembly.Module): void;
/** Says what loads the module's third part, once, when something in it is called. */
export function onRest(load: () => WebAssembly.Module): void;
`;

const range = (count) => Array.from({ length: count }, (_, at) => at);
const elements = (module) => range(module.getNumElementSegments()).map((at) => binaryen.getElementSegmentInfo(module.getElementSegmentByIndex(at)));
const tables = (module) => range(module.getNumTables()).map((at) => binaryen.getTableInfo(module.getTableByIndex(at)));
const globals = (module) => range(module.getNumGlobals()).map((at) => binaryen.getGlobalInfo(module.getGlobalByIndex(at)));
const functions = (module) => range(module.getNumFunctions()).map((at) => binaryen.getFunctionInfo(module.getFunctionByIndex(at)));
const exportsOf = (module) => range(module.getNumExports()).map((at) => binaryen.getExportInfo(module.getExportByIndex(at)));
