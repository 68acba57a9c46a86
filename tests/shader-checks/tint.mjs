// Compiles every shader of a folder with Tint, the compiler of Dawn and Chromium: node tint.mjs FOLDER.
import fs from 'node:fs';
import path from 'node:path';
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);
// The null backend runs nothing: no driver is needed. A device does not keep its GPU alive.
const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice({
  requiredFeatures: ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'],
});

async function errors(code) {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  await device.popErrorScope();
  return messages.filter(({ type }) => type === 'error').map((m) => `${m.lineNum}:${m.linePos} ${m.message}`);
}

const hasMatrices = (code) => code.includes('enable wgpu_cooperative_matrix;');

// Cooperative matrices are wgpu's word for what Dawn calls subgroup matrices. Dawn cannot tell that a condition
// is the same for all of a subgroup, so its rule of them is off; that of barriers holds.
function inDawnsWords(code) {
  const kinds = { A: 'left', B: 'right', C: 'result' };
  const major = (rows) => (rows ? 'row_major' : 'col_major');
  return code
    .replace(
      'enable wgpu_cooperative_matrix;',
      'enable subgroups;\nenable chromium_experimental_subgroup_matrix;\ndiagnostic(off, chromium.subgroup_matrix_uniformity);',
    )
    .replace(
      /coop_mat(\d+)x(\d+)<(\w+), ([ABC])>/g,
      (_, wide, high, scalar, kind) => `subgroup_matrix_${kinds[kind]}<${scalar}, ${wide}, ${high}>`,
    )
    .replace(
      /coopLoad(T?)<(\w+)>\(&(\w+)\[([^\]]*)\], ([^)]*)\)/g,
      (_, rows, type, memory, place, stride) =>
        `subgroupMatrixLoad<${type}, ${major(rows)}>(&${memory}, ${place}, ${stride})`,
    )
    .replace(
      /coopStore(T?)\((\w+), &(\w+)\[([^\]]*)\], ([^)]*)\)/g,
      (_, rows, value, memory, place, stride) =>
        `subgroupMatrixStore<${major(rows)}>(&${memory}, ${place}, ${value}, ${stride})`,
    )
    .replaceAll('coopMultiplyAdd(', 'subgroupMatrixMultiplyAccumulate(');
}

const folder = process.argv[2];
const shaders = fs
  .readdirSync(folder)
  .sort()
  .map((file) => ({ file, code: fs.readFileSync(path.join(folder, file), 'utf8') }));

// What must be refused: a barrier that only some threads reach, in a shader of each kind.
const barrier = 'workgroupBarrier();';
for (const matrices of [false, true]) {
  const { file, code } = shaders.find(
    ({ code }) =>
      hasMatrices(code) === matrices && code.includes(barrier) && code.includes('(local_invocation_index) thread: u32'),
  );
  const found = await errors(inDawnsWords(code).replaceAll(barrier, `if thread == 0u { ${barrier} }`));
  const refused = found.find((message) => message.includes('uniform control flow'));
  if (!refused) {
    console.error(`${file}: a barrier that one thread reaches was not refused, so nothing is checked: ${found[0]}`);
    process.exit(1);
  }
  console.log(`${code.split('\n')[0]}, with barriers of one thread: ${refused.split('\n')[0]}`);
}

let failed = 0;
const table = new Map();
for (const { file, code } of shaders) {
  const found = await errors(inDawnsWords(code));
  const name = code.split('\n')[0].replace(/^\/\/ /, '');
  const kind = name.split(' ')[0] + (hasMatrices(code) ? ', with matrices' : '');
  const [compile, all] = table.get(kind) ?? [0, 0];
  table.set(kind, [compile + (found.length === 0), all + 1]);
  if (found.length > 0) {
    failed += 1;
    console.error(`${file} ${name}\n  ${found[0]}`);
  }
}
for (const [kind, [compile, all]] of table) console.log(`${kind}: ${compile} of ${all} compile`);
console.log(`${shaders.length - failed} of ${shaders.length} shaders compile`);
process.exit(failed > 0 || shaders.length === 0 ? 1 : 0);
