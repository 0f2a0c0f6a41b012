// What a token of one user learns of what another user has: nothing, by no word of an answer. An id that is another's is answered
// as one that nobody has.
import assert from 'node:assert/strict';
import test from 'node:test';
import { AM_ROOT, exited, shell, startModel, world } from './lib.mjs';
import { serve, token } from './serve-lib.mjs';
import { until } from './races.mjs';

const NONE = '0123456789ab';
const POLICY = `version: 1
rules:
  - { id: look, ask: tool, tool: shell, approval: { remember: session } }
  - { id: programs, allow: exec, program: { from: system } }
`;

test('tasks, approvals, grants, sessions and schedules of another are as none', { skip: !AM_ROOT && 'tokens for others are root\'s' }, async (t) => {
	const w = world(t, { policy: POLICY });
	const model = await startModel({ replies: [{ calls: [shell('echo one')] }, { calls: [shell('echo two')] }, { text: 'done', times: 0 }] });
	t.after(() => model.close());
	const s = await serve(t, w, { env: model.env });
	const hers = { token: await token(w, 'hers', '--user', 'alice') };
	const his = { token: await token(w, 'his', '--user', 'bob') };
	const goal = { goal: 'x', workspace: w.ws, model: 'openai/mock', plan: 'never' };
	const { task, session } = (await s.post('/v1/tasks', goal, hers)).body;
	const waiting = async () => (await s.get('/v1/approvals', hers)).body.approvals.filter((a) => a.state === 'pending');
	let found = [];
	await until(() => { waiting().then((all) => { found = all; }); return found.length === 1; }, 'a question');
	const { approval } = found[0];
	exited(await w.mishri(['approve', ...w.places(), '--remember', 'session', approval]), 0);
	await until(() => w.events('approval.requested').length === 2, 'the second question');
	const [{ grant }] = (await s.get('/v1/grants', hers)).body.grants;
	exited(await w.mishri(['schedule', 'add', ...w.places(), '-w', w.ws, '--cron', '0 0 1 1 *', 'nightly', 'x']), 0);

	const rows = [];
	for (const part of ['', '/tree', '/events', '/trace?format=html', '/diff'])
		rows.push(['GET', `/v1/tasks/ID${part}`, undefined, task], ['GET', `/v1/tasks/ID${part}`, undefined, task.slice(0, 5)]);
	for (const [what, body] of [['cancel', {}], ['pause', {}], ['resume', {}], ['steer', { text: 'x' }], ['answer', { text: 'x' }], ['priority', { priority: 1 }],
		['fork', { event: 3 }]])
		rows.push(['POST', `/v1/tasks/ID/${what}`, body, task]);
	for (const body of [{ answer: 'approve' }, { answer: 'deny' }, { answer: 'approve', args: { command: 'x' } }])
		rows.push(['POST', '/v1/approvals/ID', body, approval]);
	rows.push(['DELETE', '/v1/grants/ID', undefined, grant], ['GET', '/v1/schedules/ID', undefined, 'nightly'], ['DELETE', '/v1/schedules/ID', undefined, 'nightly'],
		['POST', '/v1/schedules/ID/run', {}, 'nightly'], ['GET', '/v1/tasks?session=ID', undefined, session], ['GET', '/v1/cost?session=ID', undefined, session],
		['POST', '/v1/tasks', { ...goal, session: 'ID' }, session], ['POST', '/v1/chat/completions', { model: 'worker', messages: [], session: 'ID' }, session]);
	for (const [method, route, body, id] of rows) {
		const answers = [];
		for (const name of [id, id.length === NONE.length ? NONE : 'zzzzz']) {
			const said = await s.ask(method, route.replace('ID', name), { ...his, body: body && JSON.parse(JSON.stringify(body).replace('"ID"', `"${name}"`)) });
			answers.push(`${said.status} ${said.text.replaceAll(name, 'ID')}`);
		}
		assert.equal(answers[0], answers[1], `${method} ${route} of ${id}`);
	}
	for (const [path, body] of [[`/v1/tasks/${task}`], ['/v1/tasks', { ...goal, session }]]) {
		const own = await s.ask(body ? 'POST' : 'GET', path, { ...hers, body });
		assert.ok([200, 201].includes(own.status), `and is there for who has it: ${own.text}`);
	}
	await s.end();
});
