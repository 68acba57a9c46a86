// Compiles every shader of a folder with Tint, the compiler of Dawn and Chromium: node tint.mjs FOLDER.
// WGSL with wgpu's cooperative matrices is a dialect of its own and is counted, not compiled.
import fs from 'node:fs';
import path from 'node:path';
import { create, globals } from 'webgpu';

Object.assign(globalThis, globals);
// The null backend runs nothing: no driver is needed. A device does not keep its GPU alive.
const gpu = create(['backend=null']);
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice({ requiredFeatures: ['shader-f16', 'subgroups'] });

async function errors(code) {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  const { messages } = await module.getCompilationInfo();
  await device.popErrorScope();
  return messages.filter(({ type }) => type === 'error').map((m) => `${m.lineNum}:${m.linePos} ${m.message}`);
}

const folder = process.argv[2];
const shaders = fs.readdirSync(folder).sort().map((file) => ({ file, code: fs.readFileSync(path.join(folder, file), 'utf8') }));
const plain = shaders.filter(({ code }) => !code.includes('enable wgpu_cooperative_matrix'));

// What must be refused: a barrier that only some threads reach.
const barrier = 'workgroupBarrier();';
const { code } = plain.find(({ code }) => code.includes(`    ${barrier}`) && code.includes('thread: u32'));
if ((await errors(code.replaceAll(barrier, `if thread == 0u { ${barrier} }`))).length === 0) {
  console.error('a barrier in divergent control flow was not refused: nothing is checked');
  process.exit(1);
}

let failed = 0;
for (const { file, code } of plain) {
  const found = await errors(code);
  if (found.length > 0) {
    failed += 1;
    console.error(`${file} ${code.split('\n')[0]}\n  ${found[0]}`);
  }
}
console.log(`${plain.length - failed} of ${plain.length} plain shaders compile; ${shaders.length - plain.length} with cooperative matrices are another dialect`);
process.exit(failed > 0 || plain.length === 0 ? 1 : 0);
