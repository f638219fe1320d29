// `npm run package`: what developers install → target/packages: the npm package, and the command for this
// platform in a package of its own, which npm chooses by `os` and `cpu`.
//
//   npm run package                                              what `npm run build` and cargo left
//   npm run package -- --target darwin-arm64 --binary ./coracle  a command that was compiled elsewhere
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cli } from './search.mjs';
import { at, run, say } from './tools.mjs';

/** Every platform that has a package. The command for Linux is linked to glibc. */
export const platforms = {
  'linux-x64': { os: ['linux'], cpu: ['x64'], libc: ['glibc'] },
  'linux-arm64': { os: ['linux'], cpu: ['arm64'], libc: ['glibc'] },
  'darwin-x64': { os: ['darwin'], cpu: ['x64'] },
  'darwin-arm64': { os: ['darwin'], cpu: ['arm64'] },
  'windows-x64': { os: ['win32'], cpu: ['x64'] },
};

const manifest = JSON.parse(readFileSync(at('www/package.json'), 'utf8'));
const { version, license, repository, engines } = manifest;
const scope = manifest.name.split('/')[0];

/** The platform of a system, as the packages call it. */
export function platformOf(system, arch) {
  return Object.keys(platforms).find((name) => platforms[name].os[0] === system && platforms[name].cpu[0] === arch);
}

/** Lays a package down and packs it; returns the archive. */
async function pack(out, json, lay) {
  const folder = join(out, json.name.replace('/', '-').slice(1));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const file of ['LICENSE-MIT', 'LICENSE-APACHE']) copyFileSync(at(file), join(folder, file));
  lay(folder);
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(json, null, 2)}\n`);
  // Not in the workspace's folder: npm would pack from there.
  await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', out], { cwd: folder });
  rmSync(folder, { recursive: true });
  return `${folder}-${version}.tgz`;
}

/** The package with scripts, module and launcher. */
export function packMain(out) {
  // Only here: the lock file of the workspace cannot name what is not published.
  const optionalDependencies = Object.fromEntries(Object.keys(platforms).map((name) => [`${scope}/${name}`, version]));
  return pack(out, { ...manifest, optionalDependencies }, (folder) => {
    copyFileSync(at('www/README.md'), join(folder, 'README.md'));
    cpSync(at('www/dist'), join(folder, 'dist'), { recursive: true });
  });
}

/** The package with the command for a platform. */
export async function packCommand(out, platform, binary) {
  if (!platforms[platform]) throw new Error(`no such platform: ${platform}; there are ${Object.keys(platforms).join(', ')}`);
  if (!existsSync(binary)) throw new Error(`${binary} is missing; compile it, or name another with --binary`);
  const json = {
    name: `${scope}/${platform}`,
    version,
    description: `The coracle command for ${platform}`,
    license,
    repository,
    ...platforms[platform],
    engines,
    preferUnplugged: true,
  };
  return pack(out, json, (folder) => {
    // The command has a model in it, which has a license of its own.
    copyFileSync(at('src/native/model/LICENSE'), join(folder, 'LICENSE-MODEL'));
    mkdirSync(join(folder, 'bin'));
    const file = join(folder, 'bin', platform.startsWith('windows') ? 'coracle.exe' : 'coracle');
    copyFileSync(binary, file);
    chmodSync(file, 0o755);
  });
}

if (process.argv[1] && basename(process.argv[1]) === 'package.mjs') {
  const { values } = parseArgs({ options: { target: { type: 'string' }, binary: { type: 'string' }, out: { type: 'string' } } });
  const out = resolve(values.out ?? at('target/packages'));
  mkdirSync(out, { recursive: true });
  say('packages');
  const made = values.target ? [] : [await packMain(out)];
  const platform = values.target ?? platformOf(process.platform, process.arch);
  if (platform) made.push(await packCommand(out, platform, resolve(values.binary ?? cli)));
  else console.error(`there is no package for ${process.platform}-${process.arch}`);
  for (const file of made) console.log(file);
}
