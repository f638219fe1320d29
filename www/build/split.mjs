// The search module in two parts: what every search runs, and the rest, which the first search that
// calls any of it loads. Both share one memory; calls between them go by import.
import binaryen from 'binaryen';

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

const { BulkMemory, BulkMemoryOpt, CallIndirectOverlong, Multivalue, MutableGlobals, NontrappingFPToInt, ReferenceTypes, SIMD128, SignExt } = binaryen.Features;
const FEATURES = BulkMemory | BulkMemoryOpt | CallIndirectOverlong | Multivalue | MutableGlobals | NontrappingFPToInt | ReferenceTypes | SIMD128 | SignExt;

/** Where the module's imports come from in the glue's object of imports. */
const GLUE = './coracle_bg.js';

/**
 * Splits a module whose functions have names, and the glue with it: a file of JavaScript and one of types.
 *
 * @returns {{ first: Uint8Array, rest: Uint8Array, glue: string, types: string }}
 */
export function split(whole, glue, types) {
  const [first, rest] = [parse(whole), parse(whole)];
  const names = new Map(functions(first).map(({ name }, at) => [name, at.toString(36)]));
  // What the glue gives has long names, which nothing compresses, in the module and in the script.
  const given = new Map(functions(first).filter(({ module }) => module === GLUE).map(({ name, base }) => [base, `_${names.get(name)}`]));
  for (const part of [first, rest]) {
    for (const { name, base, params, results } of functions(part).filter(({ module }) => module === GLUE)) {
      part.removeFunction(name);
      part.addFunctionImport(name, GLUE, given.get(base), params, results);
    }
  }

  const moved = functions(first).filter(({ name, module }) => module === '' && REST.some((pattern) => pattern.test(name)));
  for (const { name, params, results } of moved) {
    first.removeFunction(name);
    first.addFunctionImport(name, 'rest', names.get(name), params, results);
  }
  shake(first);

  const kept = functions(first).filter(({ module }) => module === '');
  for (const { name, params, results } of kept) {
    rest.removeFunction(name);
    rest.addFunctionImport(name, 'first', names.get(name), params, results);
  }
  for (const { name } of exportsOf(rest)) rest.removeExport(name);
  for (const { name } of moved) rest.addFunctionExport(name, names.get(name));
  share(first, rest);
  shake(rest);

  const called = functions(rest).filter(({ module }) => module === 'first');
  for (const { name } of called) first.addFunctionExport(name, names.get(name));
  return { first: written(first), rest: written(rest), glue: joined(glue, given), types: types + TYPES };
}

function parse(bytes) {
  const module = binaryen.readBinary(bytes);
  module.setFeatures(FEATURES);
  return module;
}

function written(module) {
  const bytes = module.emitBinary();
  if (!WebAssembly.validate(bytes)) throw new Error('a part of the split module is not valid');
  return bytes;
}

/** Drops what is neither exported nor called. */
function shake(module) {
  module.runPasses(['remove-unused-module-elements']);
}

/** Memory, tables and globals are the first part's, with what is in them; the rest imports them. */
function share(first, rest) {
  const exported = new Map(exportsOf(first).map(({ kind, name, value }) => [`${kind} ${value}`, name]));
  /** The name under which the first part exports something, which it does from now on. */
  const exportOf = (kind, name, add) => exported.get(`${kind} ${name}`) ?? (add(name, name), name);

  const { initial } = rest.getMemoryInfo();
  rest.setMemory(initial, -1, null, []);
  rest.addMemoryImport('0', 'first', exportOf(binaryen.ExternalMemory, '0'), false);
  for (const { name } of elements(rest)) rest.removeElementSegment(name);
  for (const { name } of tables(rest)) {
    rest.addTableImport(name, 'first', exportOf(binaryen.ExternalTable, name, first.addTableExport));
  }
  for (const { name, type, mutable } of globals(rest)) {
    rest.removeGlobal(name);
    rest.addGlobalImport(name, 'first', exportOf(binaryen.ExternalGlobal, name, first.addGlobalExport), type, mutable);
  }
}

/**
 * The glue of a split module: the first call of a function of the rest gives the rest its instance. Calls
 * cannot wait, so neither can what loads it.
 */
function joined(glue, given) {
  const replace = (text, by) => {
    if (!glue.includes(text)) throw new Error(`the glue has no \`${text}\``);
    glue = glue.replace(text, () => by);
  };
  for (const [long, short] of given) replace(` ${long}: function`, ` ${short}: function`);
  replace(`"${GLUE}": import0,`, `"${GLUE}": import0, rest,`);
  return `${glue}
let loadRest, restExports;
const rest = new Proxy({}, {
    get: (_, name) => (...args) => {
        restExports ??= new WebAssembly.Instance(loadRest(), { ...__wbg_get_imports(), first: wasm }).exports;
        return restExports[name](...args);
    },
});
export function onRest(load) { loadRest = load; }
`;
}

/** What the glue's declarations lack. */
const TYPES = `
/** Says what loads the module's other part, once, when something in it is called. */
export function onRest(load: () => WebAssembly.Module): void;
`;

const range = (count) => Array.from({ length: count }, (_, at) => at);
const elements = (module) => range(module.getNumElementSegments()).map((at) => binaryen.getElementSegmentInfo(module.getElementSegmentByIndex(at)));
const tables = (module) => range(module.getNumTables()).map((at) => binaryen.getTableInfo(module.getTableByIndex(at)));
const globals = (module) => range(module.getNumGlobals()).map((at) => binaryen.getGlobalInfo(module.getGlobalByIndex(at)));
const functions = (module) => range(module.getNumFunctions()).map((at) => binaryen.getFunctionInfo(module.getFunctionByIndex(at)));
const exportsOf = (module) => range(module.getNumExports()).map((at) => binaryen.getExportInfo(module.getExportByIndex(at)));
