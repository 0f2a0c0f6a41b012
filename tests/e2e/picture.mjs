// picture.mjs - a terminal's screen, as tmux has it with its colours, becomes an SVG that a page can show in light and dark.
const LINE = 17, LEFT = 16, TOP = 61, COLUMN = 7.83;
const COLOURS = { 31: 'red', 32: 'green', 33: 'yellow', 34: 'blue', 35: 'magenta', 36: 'cyan' };

const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

// One line as [{ text, classes }]; what is not a colour or weight is left out.
function spans(line, style) {
	const list = [];
	for (const part of line.split(/(\x1b\[[0-9;]*m)/)) {
		const codes = /^\x1b\[([0-9;]*)m$/.exec(part);
		if (codes === null) {
			if (part !== '')
				list.push({ text: part, classes: [...style].sort().join(' ') });
			continue;
		}
		for (const code of codes[1].split(';').map(Number)) {
			if (code === 0)
				style.clear();
			else if (code === 1 || code === 2 || code === 3)
				style.add({ 1: 'bold', 2: 'dim', 3: 'slanted' }[code]);
			else if (code === 22)
				['bold', 'dim'].forEach((name) => style.delete(name));
			else if (code === 39 || COLOURS[code] !== undefined) {
				Object.values(COLOURS).forEach((name) => style.delete(name));
				if (COLOURS[code] !== undefined)
					style.add(COLOURS[code]);
			}
		}
	}
	return list;
}

export function picture(title, screen, columns) {
	const lines = screen.replace(/\n+$/, '').split('\n'), style = new Set();
	const width = Math.ceil(columns * COLUMN) + 2 * LEFT, height = TOP + lines.length * LINE;
	const rows = lines.map((line, i) => {
		const parts = spans(line, style).map(({ text, classes }) => classes === '' ? escape(text) : `<tspan class="${classes}">${escape(text)}</tspan>`);
		return parts.length === 0 ? '' : `<text y="${TOP + i * LINE}">${parts.join('')}</text>\n`;
	});
	return `<svg xml:space="preserve" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${escape(title)}</title>
<style>
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#24292f;white-space:pre}
.box{fill:#f6f8fa;stroke:#d0d7de}.dot{fill:#afb8c1}.title{fill:#57606a;text-anchor:middle}
.bold{font-weight:bold}.slanted{font-style:italic}.dim{fill:#57606a}.red{fill:#a40e26}.green{fill:#116329}.yellow{fill:#7d4e00}
.blue{fill:#0550ae}.magenta{fill:#6639ba}.cyan{fill:#1b6e80}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.box{fill:#0d1117;stroke:#30363d}.dot{fill:#484f58}
.title,.dim{fill:#9da7b3}.red{fill:#ff7b72}.green{fill:#7ee787}.yellow{fill:#e3b341}.blue{fill:#79c0ff}.magenta{fill:#d2a8ff}.cyan{fill:#56d4dd}}
</style>
<rect class="box" x=".5" y=".5" width="${width - 1}" height="${height - 1}" rx="8"/>
<circle class="dot" cx="20" cy="20" r="5"/><circle class="dot" cx="38" cy="20" r="5"/><circle class="dot" cx="56" cy="20" r="5"/><text class="title" x="${width / 2}" y="24">${escape(title)}</text>
<g transform="translate(${LEFT} 0)">
${rows.join('')}</g>
</svg>
`;
}
