// newcomer.mjs - a fresh Debian 12 and nothing but the README: its marked blocks are run in it line by line, as they are
// written, to the first goal of one's own; then, in another fresh one, the package is installed, used, removed and purged.
//
//   node tests/newcomer/newcomer.mjs [clone] [package]
//
// A block of README.md is marked by a comment in the line above: `newcomer: run` for commands, `newcomer: file NAME` for a
// file that the reader is meant to write. "exit N" in the comment behind a command is what it promises; else that is 0.
// The model is a server of this test's, where OPENAI_BASE_URL leads; REPOSITORY is this checkout. NEWCOMER_BASE=DIR keeps the bare
// system between runs. Lines are TAP; where a Debian cannot be made, they say why.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startModel } from '../e2e/mock/model.mjs';

const HERE = path.dirname(fileURLToPath(import.meta.url)), ROOT = path.resolve(HERE, '../..');
const parts = process.argv.length > 2 ? process.argv.slice(2) : ['clone', 'package'];
const place = fs.mkdtempSync('/var/tmp/mishri-newcomer-');
let number = 0, failed = 0;

function report(ok, name, more = '') {
	console.log(`${ok ? 'ok' : 'not ok'} ${++number} - newcomer: ${name}`);
	if (!ok) {
		failed++;
		console.log(more.toString().trimEnd().split('\n').slice(-40).map((line) => `# ${line}`).join('\n'));
	}
}

const run = (file, args, options = {}) => spawnSync(file, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });

// Why there can be no bare system here; null when there is one.
function makeBase() {
	const base = process.env.NEWCOMER_BASE ?? path.join(place, 'base');
	if (process.getuid() !== 0)
		return { why: 'only root can make a Debian' };
	if (run('sh', ['-c', 'command -v debootstrap']).status !== 0)
		return { why: 'there is no debootstrap here' };
	if (fs.existsSync(path.join(base, 'etc/debian_version')))
		return { base };
	const mirror = process.env.NEWCOMER_MIRROR ?? 'http://deb.debian.org/debian';
	const made = run('debootstrap', ['--variant=minbase', 'bookworm', base, mirror]);
	return made.status === 0 ? { base } : { why: `debootstrap: ${(made.stdout + made.stderr).trim().split('\n').at(-1)}` };
}

function freshRoot(base, name) {
	const root = path.join(place, name);
	const copied = run('cp', ['-a', '--reflink=auto', base, root]);
	if (copied.status !== 0)
		throw new Error(copied.stderr);
	fs.copyFileSync('/etc/resolv.conf', path.join(root, 'etc/resolv.conf'));
	return root;
}

const within = (root, args, options = {}) => new Promise((done) => {
	const child = spawn('unshare', ['--mount', '--pid', '--fork', path.join(HERE, 'enter.sh'), root, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
	let out = '';
	for (const stream of [child.stdout, child.stderr])
		stream.setEncoding('utf8').on('data', (text) => { out += text; });
	const timer = setTimeout(() => child.kill('SIGKILL'), options.timeout_ms ?? 1200000);
	child.on('close', (status) => {
		clearTimeout(timer);
		done({ status, out });
	});
});

// [{ kind: 'run' | 'file', name, lines }] of the README, in its order.
export function blocks(text) {
	return [...text.matchAll(/^<!-- newcomer: (run|file) ?(.*?) ?-->\n```.*\n([^]*?)^```$/gm)]
		.map(([, kind, name, body]) => ({ kind, name, lines: body.split('\n').filter((line) => line !== '' || kind === 'file') }));
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// What the README says will be seen, by the beginning of the command.
const PROMISED = [
	['script/demo', /The tests pass: 6 rows, 0 wrong/],
	['build/mishri policy check', /deny/],
	['build/mishri exec', /denied by no-deleting/],
	['build/mishri init', /Next, in the directory of a project:/],
	['build/mishri run', /made the tests pass/],
	['build/mishri history', /make the tests pass/],
	['build/mishri show last', /write_file/],
	['build/mishri audit verify', /./],
];

async function clone(base) {
	const root = freshRoot(base, 'clone');
	const bare = run('git', ['clone', '-q', '--bare', ROOT, path.join(root, 'srv/mishri.git')]);
	report(bare.status === 0, 'there is a repository to clone', bare.stderr);
	// Whoever clones has git, and a machine that was looked after; a project to work on; and a model somewhere.
	const ready = await within(root, ['sh', '-c', 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends git ca-certificates && git config --global --add safe.directory "*" && mkdir /root/project']);
	report(ready.status === 0, 'a Debian with git', ready.out);
	const model = await startModel({ replies: [
		{ calls: [{ name: 'write_file', args: { path: 'fixed.txt', content: 'mended\n' } }] },
		{ text: 'I made the tests pass.' },
	] });
	const commands = [], script = ['cd /root', `export OPENAI_BASE_URL=${model.base}`];
	for (const block of blocks(fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8'))) {
		if (block.kind === 'file') {
			script.push(`cat >${block.name} <<'END_OF_FILE'\n${block.lines.join('\n')}\nEND_OF_FILE`);
			continue;
		}
		for (const line of block.lines) {
			const words = line.replace('REPOSITORY', '/srv/mishri.git').replace('…', 'a-key').replace(/\s+#.*$/, '');
			const n = commands.push({ line, words, exit: Number(line.match(/#.*exit (\d+)/)?.[1] ?? 0) }) - 1;
			// Questions are asked at a terminal, and answered with Enter.
			const typed = words.startsWith('build/mishri init') ? `printf '\\n\\n\\n' | script -qec ${quoted(words)} /dev/null` : words;
			script.push(`{ ${typed}; } >/tmp/out.${n} 2>&1; echo $? >/tmp/code.${n}`);
		}
	}
	fs.writeFileSync(path.join(root, 'tmp/script.sh'), script.join('\n') + '\n');
	const all = await within(root, ['bash', '/tmp/script.sh']);
	report(commands.length > 8, 'the README has marked commands', all.out);
	commands.forEach((command, n) => {
		const read = (name) => fs.existsSync(path.join(root, 'tmp', `${name}.${n}`)) ? fs.readFileSync(path.join(root, 'tmp', `${name}.${n}`), 'utf8') : 'not run';
		const code = read('code').trim(), out = read('out');
		const promised = PROMISED.find(([begin]) => command.words.startsWith(begin));
		report(code === String(command.exit) && (promised === undefined || promised[1].test(out)), command.line.replace(/\s+#.*/, ''),
			`exit ${code}, promised ${command.exit} ${promised?.[1] ?? ''}\n${out}\n${all.out}`);
	});
	report(fs.existsSync(path.join(root, 'root/project/fixed.txt')), 'the goal changed the project');
	await model.close();
}

async function debianPackage(base) {
	const made = run(path.join(ROOT, 'script/package'), [place]);
	const file = made.stdout.trim().split('\n').at(-1);
	report(made.status === 0 && file.endsWith('.deb'), 'script/package', made.stderr);
	if (made.status !== 0)
		return;
	if (run('sh', ['-c', 'command -v lintian']).status === 0) {
		// Who maintains it is for whoever makes one to say.
		const lint = run('lintian', ['--allow-root', '--suppress-tags', 'bogus-mail-host,bogus-mail-host-in-debian-changelog', '--fail-on', 'error', file]);
		report(lint.status === 0, 'lintian finds no error', lint.stdout + lint.stderr);
	} else {
		console.log(`ok ${++number} - newcomer: lintian finds no error # SKIP there is no lintian here (it brings a hundred packages along)`);
	}
	const root = freshRoot(base, 'package');
	fs.copyFileSync(file, path.join(root, 'tmp/mishri.deb'));
	const steps = [
		['it installs', 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends /tmp/mishri.deb', /Setting up mishri/],
		['mishri version', 'mishri version && dpkg -s mishri', /^mishri (\S+)\n[^]*^Version: \1$/m],
		['the demonstration says what it lacks', 'mishri demo; [ $? = 3 ] && apt-get -qy install --no-install-recommends gcc libc6-dev make', /apt install make gcc libc6-dev/],
		['the demonstration', 'mishri demo', /The tests pass: 6 rows, 0 wrong/],
		['the demonstration, as an ordinary user', 'useradd -m alice && setpriv --reuid=alice --regid=alice --clear-groups env HOME=/home/alice sh -c "cd && mishri demo"', /The tests pass: 6 rows, 0 wrong/],
		['what is installed', 'ls /usr/share/man/man1/mishri-run.1.gz /usr/share/man/man5/mishri-policy.5.gz /usr/share/bash-completion/completions/mishri /usr/lib/systemd/system/mishri.service /etc/mishri/config.yaml', /config\.yaml/],
		['the example configuration is read, and changes nothing', 'cd /home/alice && mishri config --json', /"built-in"/],
		['nothing is started', 'ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c mishri || true', /^0$/m],
		['removed, it leaves its configuration and what people did', 'apt-get -qy remove mishri && ls /etc/mishri/config.yaml && find / -xdev -name "*mishri*" ! -path "/tmp/*" ! -path "/proc/*" | sort', /^\/etc\/mishri\n(\/var\/lib\/dpkg\/info\/mishri\.\w+\n)*$/m],
		['purged, nothing of it is left', 'apt-get -qy purge mishri && find / -xdev -name "*mishri*" ! -path "/tmp/*" ! -path "/proc/*" | sort; echo end', /\nend\n$/],
	];
	for (const [name, command, want] of steps) {
		const r = await within(root, ['sh', '-c', command]);
		report(r.status === 0 && want.test(r.out), name, r.out);
	}
}

const { base, why } = makeBase();
try {
	for (const part of parts) {
		if (why !== undefined)
			console.log(`ok ${++number} - newcomer: ${part} # SKIP ${why}`);
		else if (part === 'clone')
			await clone(base);
		else if (part === 'package')
			await debianPackage(base);
		else
			report(false, `there is no part '${part}': clone or package`);
	}
} finally {
	run('rm', ['-rf', '--one-file-system', place]);
}
console.log(`1..${number}`);
process.exit(failed > 0 ? 1 : 0);
