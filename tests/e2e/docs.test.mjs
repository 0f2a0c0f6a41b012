// docs.test.mjs - what the documents tell people to type: each command and each option of it is there, and what a transcript
// shows is what is printed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { mishri, ROOT, world } from './lib.mjs';

const PAGES = ['README.md', 'SECURITY.md', ...fs.readdirSync(path.join(ROOT, 'docs')).filter((f) => f.endsWith('.md')).map((f) => `docs/${f}`)];
const read = (page) => fs.readFileSync(path.join(ROOT, page), 'utf8');
const COMMANDS = new Map([...read('src/cli/commands.def').matchAll(/^COMMAND\(([a-z_]+)\)/gm)].map((m) => {
	const words = m[1].split('_');
	const help = spawnSync(mishri(), [...words, '--help'], { encoding: 'utf8' }).stdout;
	return [words.join(' '), new Set([...help.matchAll(/^ {2}(?:(-\w), | {4})(--[a-z-]+)/gm)].flatMap((m2) => [m2[1], m2[2]]).filter(Boolean))];
}));
const FAMILIES = new Set([...COMMANDS.keys()].filter((name) => name.includes(' ')).map((name) => name.split(' ')[0]));

// Every `mishri ...` of a page: of fenced blocks line by line, and of code in sentences.
function typed(text) {
	const found = [];
	const prose = text.replace(/^```.*\n([^]*?)^```/gm, (_, body) => {
		found.push(...body.replace(/\\\n\s*/g, ' ').split('\n'));
		return '';
	});
	found.push(...[...prose.matchAll(/`([^`\n]+)`/g)].map((m) => m[1]));
	return found.flatMap((line) => [...line.matchAll(/(?:^|[\s|;&("$]|build\/)mishri ([a-z][^|;&)#>]*)/g)].map((m) => m[1].trim()));
}

for (const page of PAGES)
	test(`${page}: each command and option is there`, () => {
		const wrong = [];
		for (const line of typed(read(page))) {
			const words = line.split(/\s+/);
			const name = COMMANDS.has(`${words[0]} ${words[1]}`) ? `${words[0]} ${words[1]}` : words[0];
			if (!/^[a-z-]+$/.test(words[0]))
				continue;
			if (FAMILIES.has(name))
				(words.length === 1 || !/^[a-z]+$/.test(words[1])) || wrong.push(line);
			else if (!COMMANDS.has(name))
				// Words about the program, in a sentence or a line of its output.
				/^(demo|run|is|and|has|does|can|was|asks|ends|goes|never|version)\b/.test(name) || wrong.push(line);
			else
				for (const word of words.slice(name.split(' ').length)) {
					if (word === '--' || (name === 'exec' && !word.startsWith('-') && !/^[A-Z]/.test(word)))
						break;
					const option = word.match(/^(-[a-zA-Z]|--[a-z][a-z-]*)(?:[=\].,…:'"]|$)/)?.[1];
					if (option !== undefined && !COMMANDS.get(name).has(option))
						wrong.push(`${line}: ${option}`);
					if (word === '--exec')          // the rest of the line is another program's
						break;
				}
		}
		assert.deepEqual(wrong, []);
	});

// `$ COMMAND` and what it prints, in the order of the page; the file policy.yaml is the page's first one.
for (const [page, files] of [['docs/policy.md', {}], ['docs/cli.md', { 'port.json': '{"properties":{"port":{"maximum":65535}}}' }]])
	test(`${page}: transcripts are what is printed`, (t) => {
		const w = world(t), text = read(page);
		const policy = text.match(/^```yaml\n([^]*?)^```/m);
		if (policy !== null)
			w.write('policy.yaml', policy[1]);
		for (const [name, content] of Object.entries(files))
			w.write(name, content);
		let compared = 0;
		for (const [, body] of text.matchAll(/^```\n(\$ [^]*?)^```/gm)) {
			if (body.includes('mishri policy attack'))      // tried by attack.test.mjs; what gets through depends on the machine
				continue;
			for (const [, command, want] of body.matchAll(/^\$ (.*)\n((?:(?!\$ ).*\n)*)/gm)) {
				const r = spawnSync('sh', ['-c', `${command} 2>&1`], { encoding: 'utf8', cwd: w.ws,
					env: { ...w.env(), PATH: `${path.dirname(mishri())}:${process.env.PATH}` } });
				assert.equal(r.stdout, want, command);
				compared++;
			}
		}
		assert.ok(compared > 0);
	});
