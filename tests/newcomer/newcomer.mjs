// newcomer.mjs - a fresh Debian 12 and nothing but the README: its marked blocks are run in it line by line, as they are
// written, to the first goal of one's own; the same in another one as an ordinary user, for whom an administrator installs what
// script/demo asks for; then, in a third one, the package is installed, used, removed and purged.
//
//   node tests/newcomer/newcomer.mjs [clone] [user] [package]
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
const parts = process.argv.length > 2 ? process.argv.slice(2) : ['clone', 'user', 'package'];
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

const USER = 'alice';

// What an ordinary user types where the README has `mishri init`: flags instead of answers.
const INIT_FLAGS = 'build/mishri init --yes --model openai/gpt-5 --policy workspace --budget 0';

// The README's marked blocks as one script: { commands: [{ line, words, exit }], script }. Outputs go to OUT.N, exit codes to CODE.N.
function typed(who, model) {
	const commands = [], script = ['cd', `export OPENAI_BASE_URL=${model.base}`];
	for (const block of blocks(fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8'))) {
		if (block.kind === 'file') {
			script.push(`cat >${block.name} <<'END_OF_FILE'\n${block.lines.join('\n')}\nEND_OF_FILE`);
			continue;
		}
		for (const line of block.lines) {
			const words = line.replace('REPOSITORY', '/srv/mishri.git').replace('…', 'a-key').replace(/\s+#.*$/, '');
			const n = commands.push({ line, words, exit: Number(line.match(/#.*exit (\d+)/)?.[1] ?? 0) }) - 1;
			// Questions are asked at a terminal, and answered with Enter.
			const now = !words.startsWith('build/mishri init') ? words : who === USER ? INIT_FLAGS : `printf '\\n\\n\\n' | script -qec ${quoted(words)} /dev/null`;
			script.push(`{ ${now}; } >$HOME/out.${n} 2>&1; echo $? >$HOME/code.${n}`);
		}
	}
	return { commands, script: script.join('\n') + '\n' };
}

// As the user: script/demo names the one command for an administrator and changes nothing; root types just that.
async function askAdministrator(root, asUser) {
	const first = await within(root, [...asUser, 'git clone -q /srv/mishri.git asks && cd asks && script/demo']);
	const command = first.out.match(/ask an administrator to run:\s+(apt-get .*)/)?.[1];
	report(first.status === 1 && command !== undefined, 'script/demo says what an administrator must install', first.out);
	const done = await within(root, ['sh', '-c', `export DEBIAN_FRONTEND=noninteractive; ${command ?? 'false'}`]);
	report(done.status === 0, 'the administrator types that', done.out);
}

async function clone(base, who) {
	const root = freshRoot(base, who), home = who === USER ? `/home/${USER}` : '/root';
	const bare = run('git', ['clone', '-q', '--bare', ROOT, path.join(root, 'srv/mishri.git')]);
	report(bare.status === 0, `there is a repository for ${who} to clone`, bare.stderr);
	const asUser = who === USER ? ['setpriv', `--reuid=${who}`, `--regid=${who}`, '--init-groups', 'env', `HOME=${home}`, 'bash', '-c'] : ['bash', '-c'];
	// Whoever clones has git, and a machine that was looked after; a project to work on; and a model somewhere.
	const ready = await within(root, ['sh', '-c', `apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends git ca-certificates &&
		git config --system --add safe.directory "*" && { [ ${who} = root ] || useradd -m ${who}; } && mkdir ${home}/project && chown ${who} ${home}/project`]);
	report(ready.status === 0, `a Debian with git, for ${who}`, ready.out);
	const model = await startModel({ replies: [
		{ calls: [{ name: 'write_file', args: { path: 'fixed.txt', content: 'mended\n' } }] },
		{ text: 'I made the tests pass.' },
	] });
	if (who === USER)
		await askAdministrator(root, ['env', '-C', home, ...asUser]);
	const { commands, script } = typed(who, model);
	fs.writeFileSync(path.join(root, 'tmp/script.sh'), script);
	const all = await within(root, ['env', '-C', home, ...asUser, 'bash /tmp/script.sh']);
	report(commands.length > 8, `the README has marked commands for ${who}`, all.out);
	const at = (name, n) => path.join(root, home, `${name}.${n}`);
	commands.forEach((command, n) => {
		const read = (name) => fs.existsSync(at(name, n)) ? fs.readFileSync(at(name, n), 'utf8') : 'not run';
		const code = read('code').trim(), out = read('out');
		const promised = PROMISED.find(([begin]) => command.words.startsWith(begin));
		report(code === String(command.exit) && (promised === undefined || promised[1].test(out)), `${who}: ${command.line.replace(/\s+#.*/, '')}`,
			`exit ${code}, promised ${command.exit} ${promised?.[1] ?? ''}\n${out}\n${all.out}`);
	});
	report(fs.existsSync(path.join(root, home, 'project/fixed.txt')), `${who}: the goal changed the project`);
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
			await clone(base, 'root');
		else if (part === 'user')
			await clone(base, USER);
		else if (part === 'package')
			await debianPackage(base);
		else
			report(false, `there is no part '${part}': clone, user or package`);
	}
} finally {
	run('rm', ['-rf', '--one-file-system', place]);
}
console.log(`1..${number}`);
process.exit(failed > 0 ? 1 : 0);
