// `mishri schema`, and the public test suite of JSON Schema 2020-12 where it lies: JSON_SCHEMA_SUITE names a checkout of
// json-schema-org/JSON-Schema-Test-Suite, or it is installed beside these tests. No registry has it as a package, so it is
// not among the dependencies; without it that part is skipped, and says so.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ROOT, exited, lines, world } from './lib.mjs';

describe('mishri schema', () => {
	const rows = [
		{ name: 'valid', schema: { type: 'string' }, input: '"a"', code: 0, says: /^$/ },
		{ name: 'not', schema: { properties: { a: { type: 'string' } } }, input: '{"a": 1}', code: 1,
			says: /^mishri: \/a: type: is of type integer; must be string \(schema: #\/properties\/a\/type\)\n$/ },
		{ name: 'format tells something', schema: { format: 'ipv4' }, input: '"x"', code: 0, says: /^$/ },
		{ name: 'format asserts', schema: { format: 'ipv4' }, flags: ['--format-assertion'], input: '"x"', code: 1, says: /format: "x" is no ipv4; must be .*192\.0\.2\.1/ },
		{ name: 'a bad schema', schema: { properties: { a: { type: 'strin' } } }, input: '1', code: 3, says: /s\.json: \/properties\/a\/type: type: must be one of/ },
		{ name: 'out of the document', schema: { $ref: 'https://example.com/x' }, input: '1', code: 3, says: /nothing is fetched; put the schema under \$defs/ },
		{ name: 'another dialect', schema: { $schema: 'http://json-schema.org/draft-07/schema#' }, input: '1', code: 3, says: /2020-12\/schema, the only dialect/ },
		{ name: 'a typing error', schema: { properteis: {} }, input: '1', code: 0, says: /\/properteis: is no keyword, so it checks nothing; did you mean 'properties'\?/ },
		{ name: 'somebody else\'s keyword', schema: { 'x-order': 1 }, input: '1', code: 0, says: /^$/ },
		{ name: 'no end', schema: { $ref: '#' }, input: '1', code: 1, says: /refers to itself without end/ },
		{ name: 'no JSON', schema: {}, input: '{', code: 1, says: /standard input: line 1/ },
		{ name: 'a large integer', schema: { type: 'integer', minimum: 1e30 }, input: '1000000000000000000000000000001', code: 0, says: /^$/ },
	];
	for (const row of rows)
		test(row.name, async (t) => {
			const w = world(t);
			w.write('s.json', JSON.stringify(row.schema));
			const run = await w.mishri(['schema', ...(row.flags ?? []), 's.json'], { input: row.input });
			exited(run, row.code);
			assert.match(run.err, row.says);
			assert.equal(run.out, '');
		});
});

// What does not pass, and why. A row that passes must go.
const REMOTE = 'needs the network: nothing is fetched';
const DIALECT = 'a dialect of its own, whose meta-schema would have to be fetched';
const exceptions = [
	{ file: 'refRemote.json', why: REMOTE },
	{ file: 'dynamicRef.json', group: 'strict-tree schema, guards against misspelled properties', why: REMOTE },
	{ file: 'dynamicRef.json', group: 'tests for implementation dynamic anchor and reference link', why: REMOTE },
	{ file: 'dynamicRef.json', group: '$ref and $dynamicAnchor are independent of order - $defs first', why: REMOTE },
	{ file: 'dynamicRef.json', group: '$ref and $dynamicAnchor are independent of order - $ref first', why: REMOTE },
	{ file: 'dynamicRef.json', group: '$ref to $dynamicRef finds detached $dynamicAnchor', why: REMOTE },
	{ file: 'vocabulary.json', why: DIALECT },
	{ file: 'optional/cross-draft.json', why: REMOTE },
	{ file: 'optional/format-assertion.json', why: DIALECT },
	{ file: 'optional/format/ecmascript-regex.json', group: 'ECMA 262 lookbehind is valid, including variable width', why: 'PCRE2 looks behind a fixed width only' },
];

const suite = [process.env.JSON_SCHEMA_SUITE, path.join(ROOT, 'tests/e2e/node_modules/json-schema-test-suite')]
	.filter((dir) => dir).map((dir) => path.join(dir, 'tests/draft2020-12')).find((dir) => fs.existsSync(dir));

test('the public suite', { skip: suite === undefined ? 'no suite: JSON_SCHEMA_SUITE names a checkout of it' : false }, (t) => {
	const driver = path.join(process.env.BUILD ?? path.join(ROOT, 'build'), 'tests/tools/schema_suite');
	const list = (dir) => fs.readdirSync(path.join(suite, dir)).filter((name) => name.endsWith('.json')).map((name) => path.join(dir, name));
	const sets = [{ flags: [], files: [...list('.'), ...list('optional')] }, { flags: ['--format-assertion'], files: list('optional/format') }];
	const used = new Set();
	let passed = 0, excepted = 0;
	for (const { flags, files } of sets) {
		const done = spawnSync(driver, [...flags, ...files], { cwd: suite, encoding: 'utf8', maxBuffer: 1 << 26 });
		assert.equal(done.status, 0, done.stderr);
		for (const line of lines(done.stdout)) {
			if (line.done !== undefined) {
				t.diagnostic(`${line.done}: ${line.passed} passed${line.failed > 0 ? `, ${line.failed} excepted` : ''}`);
				passed += line.passed;
				continue;
			}
			const row = exceptions.find((e) => e.file === line.file && (e.group ?? line.group) === line.group);
			assert.ok(row, `${line.file}: ${line.group}: ${line.test}: should be ${line.valid ? 'valid' : 'invalid'}: ${line.got}`);
			used.add(row);
			excepted++;
		}
	}
	t.diagnostic(`${passed} tests passed, ${excepted} excepted`);
	assert.ok(passed > 1500, 'the whole suite was there');
	assert.deepEqual(exceptions.filter((e) => !used.has(e)), [], 'exceptions that pass');
});
