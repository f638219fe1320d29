// The search module in two parts: what every search runs, and the rest, which the first search that
// calls any of it loads. Both share one memory; calls between them go by import.
import binaryen from 'binaryen';

/**
 * What plain searches do without: filters, facets and exact searches, graphs, embeddings that are given,
 * reading single passages, explanations, and refusing options. What only these call goes with them. What
 * says that a read failed stays: then the rest may not come either.
 */
const REST = [
  /^coracle::filter::(?!bitmap::)/,
  /^coracle::filter::bitmap::Bitmap::spread\b/,
  /^coracle::graph::/,
  /^coracle::cells::.*Cells>::(estimate|load|search)\b/,
  /^coracle::vector::(projection::|binary::BinaryRows::)/,
  /^coracle::search::dense::LoadCells::/,
  /^coracle::search::.*::(facets|read_projection)\b/,
  /^coracle_wasm::convert::(explanation|filter|names|numbers|one_of|passage|refusal|tree)\b/,
  /^coracle_wasm::index::CoracleIndex::passage\b/,
  /^coracleindex_passage$/,
  /^core::ptr::drop_in_place<coracle::filter::Filter/,
  /^<coracle::filter::.* as core::fmt::Display>::fmt\b/,
];

const { BulkMemory, BulkMemoryOpt, CallIndirectOverlong, Multivalue, MutableGlobals, NontrappingFPToInt, ReferenceTypes, SIMD128, SignExt } = binaryen.Features;
const FEATURES = BulkMemory | BulkMemoryOpt | CallIndirectOverlong | Multivalue | MutableGlobals | NontrappingFPToInt | ReferenceTypes | SIMD128 | SignExt;

/** Splits a module whose functions have names. @returns {{ first: Uint8Array, rest: Uint8Array }} */
export function split(whole) {
  const [first, rest] = [parse(whole), parse(whole)];
  const names = new Map(functions(first).map(({ name }, at) => [name, at.toString(36)]));

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
  return { first: written(first), rest: written(rest) };
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
export function joined(glue) {
  const imports = '"./coracle_bg.js": import0,';
  if (!glue.includes(imports)) throw new Error('the glue does not say what the module imports');
  return `${glue.replace(imports, `${imports}\n        rest,`)}
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
export const JOINED_TYPES = `
/** Says what loads the module's other part, once, when something in it is called. */
export function onRest(load: () => WebAssembly.Module): void;
`;

const range = (count) => Array.from({ length: count }, (_, at) => at);
const elements = (module) => range(module.getNumElementSegments()).map((at) => binaryen.getElementSegmentInfo(module.getElementSegmentByIndex(at)));
const tables = (module) => range(module.getNumTables()).map((at) => binaryen.getTableInfo(module.getTableByIndex(at)));
const globals = (module) => range(module.getNumGlobals()).map((at) => binaryen.getGlobalInfo(module.getGlobalByIndex(at)));
const functions = (module) => range(module.getNumFunctions()).map((at) => binaryen.getFunctionInfo(module.getFunctionByIndex(at)));
const exportsOf = (module) => range(module.getNumExports()).map((at) => binaryen.getExportInfo(module.getExportByIndex(at)));
