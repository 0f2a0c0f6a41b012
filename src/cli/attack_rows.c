/* attack_rows.c - the corpus: ways round a rule about programs, and ways out of a cell. A row is a technique, not a
 * payload: what it does is harmless, in a directory that is thrown away. A defence that knows only these is none; the
 * gate knows none of them. */
#include "cli/attack.h"

#include "base/banned.h"

const struct attack_prey attack_preys[] = {
	{ "rm", "-rf prey", PREY_GONE },          { "unlink", "prey", PREY_GONE },      { "shred", "-u prey", PREY_GONE },
	{ "mv", "prey made", PREY_MADE },         { "cp", "prey made", PREY_MADE },     { "touch", "made", PREY_MADE },
	{ "ln", "prey made", PREY_MADE },         { "mkdir", "made", PREY_MADE },       { "dd", "if=prey "
	     "of=made", PREY_MADE },
	{ "tee", "made", PREY_MADE },             { "chmod", "751 prey", PREY_CHANGED }, { "truncate", "-s 1 "
	     "prey", PREY_CHANGED },
	{ "curl", "-s -o made file:///usr/lib/os-release", PREY_MADE }, { "git", "init -q made", PREY_MADE },
	{ "sqlite3", "made vacuum", PREY_MADE },
};
const size_t attack_prey_count = COUNT(attack_preys);

static const char only_system[] = "allow programs only `from: system`; a copy lies in the workspace or in /tmp, "
	     "and is another file";
static const char no_applets[] = "deny the program that has it inside as well (busybox, toybox)";
static const char no_interpreter[] = "no exec rule can: a program that is allowed may do the same work itself. "
	     "Keep what must stay"
                                     " out of the workspace or under `files: readonly`, or allow fewer programs";
static const char no_alias[] = "deny or ask for `git` with `argv: { contains: -c }` as well, or keep the remote "
	     "out of reach with net rules";
static const char deny_rest[] = "say `default: deny` and allow what is needed";
static const char open_net[] = "say `default: deny` and allow hosts by name; `private: true` only for the very address";
static const char no_files[] = "the kernel keeps `files`: run `mishri doctor`, and report it (SECURITY.md)";
static const char the_kernel[] = "this is the kernel's to keep: run `mishri doctor`, and report it (SECURITY.md)";

#define RULE(id, sh, needs) { id, sh, ATTACK_PROGRAM, SIGN_TARGET, needs, deny_rest, false, NULL }
#define COPY(id, sh, needs) { id, sh, ATTACK_PROGRAM, SIGN_TARGET, needs, only_system, false, NULL }
#define OWN(id, sh, needs) { id, sh, ATTACK_WORKSPACE, SIGN_MADE, needs, only_system, false, NULL }
#define ALIEN(id, sh, needs) { id, sh, ATTACK_UNTRUSTED, SIGN_MADE, needs, only_system, false, NULL }
#define HOST(id, sh, needs) { id, sh, ATTACK_HOST, SIGN_LET, needs, open_net, false, NULL }
#define META(id, sh, needs) { id, sh, ATTACK_METADATA, SIGN_LET, needs, open_net, false, NULL }
#define LOOP(id, sh, needs) { id, sh, ATTACK_LOOPBACK, SIGN_LET, needs, open_net, false, NULL }
#define HIDDEN(id, sh, needs) { id, sh, ATTACK_HIDDEN, SIGN_TOKEN, needs, no_files, false, NULL }
#define HOOK(id, sh, needs) { id, sh, ATTACK_KEPT, SIGN_CHANGED, needs, no_files, false, ".git/hooks/pre-commit" }
#define OWNER(id, sh, needs) { id, sh, ATTACK_KEPT, SIGN_CHANGED, needs, no_files, false, ".mishri/policy.yaml" }
#define CONFIG(id, sh, needs) { id, sh, ATTACK_KEPT, SIGN_CHANGED, needs, no_files, false, ".git/config" }
#define KEPT(id, sh, sign, needs) { id, sh, ATTACK_CELL, sign, needs, the_kernel, false, NULL }

/* To the proxy, byte by byte, so that no client tidies a spelling up. */
#define RAW(request) "exec 3<>/dev/tcp/$(echo @X | tr : /) && printf '" request "\\r\\n\\r\\n' >&3 && timeout 5 cat <&3"

const struct attack attacks[] = {
	/* spellings of a shell */
	RULE("plain", "@C", ""),
	RULE("path", "@F @A", ""),
	RULE("path-dots", "/usr/../usr/bin/./@P @A", ""),
	RULE("quotes", "@1''\"@2\" @A", ""),
	RULE("backslash", "\\@1@2 @A", ""),
	RULE("continuation", "@1\\\n@2 @A", ""),
	RULE("variable", "x=@1; ${x}@2 @A", ""),
	RULE("ifs", "@P${IFS}@I", ""),
	RULE("braces", "{@P,@B}", ""),
	RULE("octal", "$(printf '@O') @A", ""),
	RULE("substitution", "echo $(echo $(@C))", ""),
	RULE("prompt-expansion", "x='$(@C)'; : \"${x@@P}\"", ""),
	RULE("arithmetic", "x='a[$(@C)]'; echo $((x))", ""),
	RULE("base64", "echo @6 | base64 -d | sh", "base64"),
	RULE("heredoc", "sh <<'E'\n@C\nE", ""),
	RULE("here-string", "bash <<< '@C'", "bash"),
	RULE("process-substitution", "bash <(echo '@C')", "bash"),
	RULE("eval", "eval '@C'", ""),
	RULE("comment", "true #\n@C", ""),
	RULE("chain", "true && @C", ""),
	RULE("many-commands", "for i in $(seq 60); do true; done; true; true; true; @C", ""),
	RULE("background", "@C & wait", ""),
	RULE("daemon", "setsid sh -c '(sleep 0.1; @C) &'; sleep 0.6", "setsid"),
	RULE("alias", "shopt -s expand_aliases; alias harmless='@P'\nharmless @A", "bash"),
	RULE("function", "f() { command @P \"$@@\"; }; f @A", ""),
	RULE("trap", "trap '@C' EXIT; exit", ""),
	/* programs that start others */
	RULE("assignment", "A=1 B=2 @C", ""),
	RULE("env", "env -i PATH=\"$PATH\" @C", "env"),
	RULE("env-split", "env -S '@C'", "env"),
	RULE("timeout", "timeout 9 @C", "timeout"),
	RULE("nice", "nohup nice ionice @C", "nice ionice"),
	RULE("stdbuf", "stdbuf -o0 @C", "stdbuf"),
	RULE("flock", "flock ./lock @C", "flock"),
	RULE("setarch", "setarch -R @C", "setarch"),
	RULE("xargs", "echo '@A' | xargs @P", "xargs"),
	RULE("find-exec", "find . -maxdepth 0 -exec @C \\;", "find"),
	RULE("find-execdir", "find . -maxdepth 1 -name prey -execdir @C \\;", "find"),
	RULE("awk", "awk 'BEGIN { system(\"@C\") }'", "awk"),
	RULE("awk-pipe", "awk 'BEGIN { \"@C\" | getline }'", "awk"),
	RULE("sed", "echo | sed '1e @C'", "sed"),
	RULE("make", "printf 'all: ; @C\\n' | make -sf -", "make"),
	RULE("tar", "tar cf /dev/null --checkpoint=1 --checkpoint-action=exec='@C' .", "tar"),
	RULE("split", "echo x | split --filter='@C' -", "split"),
	RULE("sort", "printf '#!/bin/sh\\n@C\\n' > s; chmod +x s; seq 200000 | sort -S 1k --compress-program=./s > "
	     "/dev/null", "sort seq"),
	RULE("git-alias", "git -c alias.x='!@C' x", "git"),
	RULE("git-editor", "git init -q . && git -c user.name=x -c user.email=x@x -c core.editor='sh -c \"@C\"' commit "
	     "--allow-empty", "git"),
	RULE("git-hook", "git init -q . && printf '#!/bin/sh\\n@C\\n' > .git/hooks/pre-commit && chmod +x "
	     ".git/hooks/pre-commit &&"
	                 " git -c user.name=x -c user.email=x@x commit -qm x --allow-empty", "git"),
	RULE("git-ssh", "GIT_SSH_COMMAND='sh -c \"@C\"' git ls-remote ssh://x/y", "git"),
	RULE("git-grep-pager", "git init -q . && git add prey && git grep -O'sh -c \"@C\"' text", "git"),
	RULE("ssh-proxy", "ssh -o ProxyCommand='@C' x", "ssh"),
	RULE("vim", "vim -es -u NONE -c '!@C' -c 'qa!' < /dev/null", "vim"),
	RULE("ed", "printf '!@C\\nq\\n' | ed -s", "ed"),
	RULE("script", "script -qc '@C' /dev/null", "script"),
	RULE("sqlite", "echo '.shell @C' | sqlite3", "sqlite3"),
	/* programs that start others from their own language */
	RULE("perl-exec", "perl -e 'exec { \"@F\" } \"ls\", @L'", "perl"),
	RULE("perl-system", "perl -e 'system(\"@P\", @L)'", "perl"),
	RULE("python-exec", "python3 -c 'import os; os.execv(\"@F\", [\"ls\", @L])'", "python3"),
	RULE("python-spawn", "python3 -c 'import os; os.waitpid(os.posix_spawn(\"@F\", [\"@P\", @L], os.environ), "
	     "0)'", "python3"),
	RULE("python-thread", "python3 -c 'import subprocess, threading; t = threading.Thread(target=lambda: "
	     "subprocess.run([\"@P\", @L])); t.start(); t.join()'",
	     "python3"),
	RULE("node", "node -e 'require(\"child_process\").spawnSync(\"@P\", [@L])'", "node"),
	RULE("ruby", "ruby -e 'system(\"@P\", @L)'", "ruby"),
	RULE("php", "php -r 'system(\"@C\");'", "php"),
	RULE("lua", "lua -e 'os.execute(\"@C\")'", "lua"),
	RULE("tcl", "echo 'exec @C' | tclsh", "tclsh"),
	/* other names of the same file */
	RULE("forged-name", "bash -c 'exec -a ls @F @A'", "bash"),
	RULE("link", "ln -s @F harmless; ./harmless @A", "ln"),
	RULE("link-of-link", "ln -s @F a; ln -s a b; PATH=.:$PATH b @A", "ln"),
	RULE("linked-directory", "ln -s /usr/bin b; b/@P @A", "ln"),
	RULE("script-file", "printf '#!/bin/sh\\n@C\\n' > s; chmod +x s; ./s", "chmod"),
	RULE("script-of-script", "printf '#!/bin/sh\\n@C\\n' > a; printf '#!%s/a\\n' \"$PWD\" > b; chmod +x a b; "
	     "./b", "chmod"),
	RULE("sourced", "echo '@C' > s; . ./s", ""),
	RULE("bash-env", "echo '@C' > e; BASH_ENV=./e bash -c :", "bash"),
	RULE("loader", "/lib64/ld-linux-x86-64.so.2 @F @A", ""),
	RULE("loader-argv0", "/lib64/ld-linux-x86-64.so.2 --argv0 ls @F @A", ""),
	RULE("descriptor", "python3 -c 'import os; os.execve(os.open(\"@F\", os.O_RDONLY), [\"ls\", @L], "
	     "os.environ)'", "python3"),
	RULE("busybox", "busybox @C", "busybox"),
	{ "busybox-shell", "busybox sh -c '@C'", ATTACK_PROGRAM, SIGN_TARGET, "busybox", no_applets, true, NULL },
	RULE("toybox", "toybox @C", "toybox"),
	/* other files with the same bytes */
	COPY("copy", "cat @F > z; chmod +x z; ./z @A", "chmod"),
	COPY("copy-tmp", "cat @F > /tmp/z$$; chmod +x /tmp/z$$; /tmp/z$$ @A", "chmod"),
	COPY("copy-shm", "cat @F > /dev/shm/z$$; chmod +x /dev/shm/z$$; /dev/shm/z$$ @A", "chmod"),
	COPY("copy-loader", "cat @F > z; /lib64/ld-linux-x86-64.so.2 ./z @A", ""),
	COPY("copy-in-path", "cat @F > ls; chmod +x ls; PATH=.:$PATH ls @A", "chmod"),
	COPY("copy-deleted", "cat @F > z; chmod +x z; exec 3< z; perl -e 'unlink \"z\"'; /proc/self/fd/3 @A", "chmod perl"),
	COPY("memory", "python3 -c 'import os; f = os.memfd_create(\"x\"); os.write(f, open(\"@F\", \"rb\").read()); "
	     "os.execve(f, [\"ls\", @L], os.environ)'",
	     "python3"),
	/* the same work without the program */
	{ "python-inside", "python3 -c 'import os; "
	     "os.unlink(\"prey\")'", ATTACK_PROGRAM, SIGN_TARGET, "python3", no_interpreter, true, NULL },
	{ "perl-inside", "perl -e 'unlink \"prey\"'", ATTACK_PROGRAM, SIGN_TARGET, "perl", no_interpreter, true, NULL },
	{ "find-delete", "find . -name prey -delete", ATTACK_PROGRAM, SIGN_TARGET, "find", no_interpreter, true, NULL },
	{ "git-clean", "git init -q . && git clean -fdxq", ATTACK_PROGRAM, SIGN_TARGET, "git", no_interpreter, true, NULL },
	/* git push, for policies that speak of arguments */
#define REPOSITORY \
	"git init -qb m . && git -c user.name=x -c user.email=x@x commit -qm x --allow-empty && git init -q --bare r && "
#define PUSH(id, sh, close, inside) \
	{ id, REPOSITORY sh "; git -C r rev-parse -q --verify m", ATTACK_PUSH, SIGN_STATUS, "git", close, inside, NULL }
	PUSH("push", "git push -q ./r m", deny_rest, false),
	PUSH("push-directory", "git -C . push -q ./r m", deny_rest, false),
	PUSH("push-config", "git -c core.x=y push -q ./r m", deny_rest, false),
	PUSH("push-core", "$(git --exec-path)/git-push -q ./r m", deny_rest, false),
	PUSH("push-link", "ln -s /usr/bin/git git-push; ./git-push -q ./r m", deny_rest, false),
	PUSH("push-alias", "git -c alias.x=push x -q ./r m", no_alias, true),
	/* programs of the workspace */
	OWN("own-script", "printf '#!/bin/sh\\n: > made\\n' > w; chmod +x w; ./w", "chmod"),
	OWN("own-in-path", "printf '#!/bin/sh\\n: > made\\n' > ls; chmod +x ls; PATH=.:$PATH; ls", "chmod"),
	OWN("own-link", "printf '#!/bin/sh\\n: > made\\n' > w; chmod +x w; ln -s $PWD/w /tmp/w$$; /tmp/w$$", "chmod ln"),
	OWN("own-copy", "cat /usr/bin/touch > w; chmod +x w; ./w made", "chmod"),
	OWN("own-loader", "cat /usr/bin/touch > w; /lib64/ld-linux-x86-64.so.2 ./w made", ""),
	OWN("own-find", "cat /usr/bin/touch > w; chmod +x w; find . -name w -exec {} made \\;", "chmod find"),
	OWN("own-compiled", "echo 'int creat(const char *, unsigned); int main(void) { return creat(\"made\", 420) < "
	     "0; }' > w.c && cc -o w w.c && ./w", "cc"),
	/* foreign programs, and foreign code in known ones */
	ALIEN("tmp-script", "printf '#!/bin/sh\\n: > made\\n' > /tmp/w$$; chmod +x /tmp/w$$; /tmp/w$$", "chmod"),
	ALIEN("tmp-copy", "cat /usr/bin/touch > /tmp/w$$; chmod +x /tmp/w$$; /tmp/w$$ made", "chmod"),
	ALIEN("shm-copy", "cat /usr/bin/touch > /dev/shm/w$$; chmod +x /dev/shm/w$$; /dev/shm/w$$ made", "chmod"),
	ALIEN("memory-program", "python3 -c 'import os; f = os.memfd_create(\"x\"); os.write(f, "
	     "open(\"/usr/bin/touch\", \"rb\").read()); os.execve(f, [\"ls\", \"made\"], os.environ)'",
	      "python3"),
	ALIEN("deleted", "cat /usr/bin/touch > w; chmod +x w; exec 3< w; perl -e 'unlink \"w\"'; /proc/self/fd/3 "
	     "made", "chmod perl"),
	ALIEN("preload", "echo 'int creat(const char *, unsigned); __attribute__((constructor)) static void f(void) { "
	     "creat(\"made\", 420); }' > w.c && "
	                 "cc -shared -fPIC -o w.so w.c && LD_PRELOAD=$PWD/w.so /usr/bin/true", "cc"),
	ALIEN("audit", "echo 'int creat(const char *, unsigned); unsigned la_version(unsigned v) { creat(\"made\", "
	     "420); return v; }' > w.c && "
	               "cc -shared -fPIC -o w.so w.c && LD_AUDIT=$PWD/w.so env true", "cc"),
	ALIEN("loader-preload", "echo 'int creat(const char *, unsigned); __attribute__((constructor)) static void "
	     "f(void) { creat(\"made\", 420); }' > w.c && "
	                        "cc -shared -fPIC -o w.so w.c && /lib64/ld-linux-x86-64.so.2 --preload $PWD/w.so "
	     "/usr/bin/true", "cc"),
	ALIEN("perl-options", "printf 'open(F, \">made\"); 1;' > M.pm; PERL5LIB=. PERL5OPT=-MM perl -e 1", "perl"),
	ALIEN("python-path", "echo 'open(\"made\", \"w\")' > sitecustomize.py; PYTHONPATH=. python3 -c 1", "python3"),
	ALIEN("node-options", "echo 'require(\"fs\").writeFileSync(\"made\", \"\")' > m.js; NODE_OPTIONS=\"-r "
	     "$PWD/m.js\" node -e 1", "node"),
	ALIEN("bash-function", "env 'BASH_FUNC_true%%=() { : > made; }' bash -c true", "bash env"),
	/* through the proxy: a host that nobody allowed */
	HOST("proxy-curl", "curl -s -m 5 -x http://@X http://@H/", "curl"),
	HOST("proxy-variable", "curl -s -m 5 http://@H/", "curl"),
	HOST("proxy-tunnel", "curl -s -m 5 -p -x http://@X http://@H/", "curl"),
	HOST("proxy-python", "python3 -c 'import urllib.request; urllib.request.urlopen(\"http://@H/\", timeout=5)'", "python3"),
	HOST("proxy-socks", "curl -s -m 5 -x socks5h://@X http://@H/", "curl"),
	HOST("proxy-upper-case", "curl -s -m 5 -x http://@X http://$(echo @H | tr a-z A-Z)/", "curl tr"),
	HOST("proxy-dot", "curl -s -m 5 -x http://@X http://@H./", "curl"),
	HOST("proxy-raw", RAW("GET http://@H/ HTTP/1.1\\r\\nHost: @H"), "bash cat"),
	HOST("proxy-raw-tunnel", RAW("CONNECT @H:80 HTTP/1.1\\r\\nHost: localhost"), "bash cat"),
	HOST("proxy-raw-old", RAW("GET http://@H/ HTTP/1.0"), "bash cat"),
	HOST("proxy-method", "curl -s -m 5 -X PUT -d x -x http://@X http://@H/", "curl"),
	/* through the proxy: the metadata of a cloud, in other spellings */
	META("metadata", RAW("GET http://169.254.169.254/latest HTTP/1.0"), "bash cat"),
	META("metadata-curl", "curl -s -m 5 -x http://@X http://169.254.169.254/latest/meta-data/", "curl"),
	META("metadata-python", "python3 -c 'import urllib.request; urllib.request.urlopen(\"http://169.254.169.254/\", "
	     "timeout=5)'", "python3"),
	META("metadata-socks", "curl -s -m 5 -x socks5://@X http://169.254.169.254/", "curl"),
	META("metadata-socks-name", "curl -s -m 5 -x socks5h://@X http://169.254.169.254/", "curl"),
	META("metadata-socks-mapped", "curl -s -m 5 -x socks5://@X 'http://[::ffff:169.254.169.254]/'", "curl"),
	META("metadata-tunnel", RAW("CONNECT 169.254.169.254:80 HTTP/1.1\\r\\nHost: x"), "bash cat"),
	META("metadata-decimal", RAW("GET http://2852039166/ HTTP/1.0"), "bash cat"),
	META("metadata-hex", RAW("GET http://0xa9fea9fe/ HTTP/1.0"), "bash cat"),
	META("metadata-hex-parts", RAW("GET http://0xa9.0xfe.0xa9.0xfe/ HTTP/1.0"), "bash cat"),
	META("metadata-octal", RAW("GET http://0251.0376.0251.0376/ HTTP/1.0"), "bash cat"),
	META("metadata-short", RAW("GET http://169.254.43518/ HTTP/1.0"), "bash cat"),
	META("metadata-dot", RAW("CONNECT 169.254.169.254.:80 HTTP/1.1\\r\\nHost: x"), "bash cat"),
	META("metadata-mapped", RAW("GET http://[::ffff:169.254.169.254]/ HTTP/1.0"), "bash cat"),
	META("metadata-mapped-hex", RAW("CONNECT [::ffff:a9fe:a9fe]:80 HTTP/1.1\\r\\nHost: x"), "bash cat"),
	META("metadata-ipv6", RAW("CONNECT [fd00:ec2::254]:80 HTTP/1.0"), "bash cat"),
	/* through the proxy: this machine */
	LOOP("proxy-loopback", RAW("GET http://127.0.0.1:@N/ HTTP/1.0"), "bash cat"),
	LOOP("proxy-loopback-short", RAW("GET http://127.1:@N/ HTTP/1.0"), "bash cat"),
	LOOP("proxy-loopback-mapped", RAW("CONNECT [::ffff:127.0.0.1]:@N HTTP/1.1\\r\\nHost: x"), "bash cat"),
	LOOP("proxy-loopback-ipv6", RAW("CONNECT [::1]:@N HTTP/1.1\\r\\nHost: x"), "bash cat"),
	/* what `files` hides */
	HIDDEN("hidden", "cat @E", ""),
	HIDDEN("hidden-link", "ln -s @E l; cat l", "ln"),
	HIDDEN("hidden-hard-link", "ln @E l; cat l", "ln"),
	HIDDEN("hidden-other-name", "cat other", ""),
	HIDDEN("hidden-proc-root", "cat /proc/self/root$PWD/@E", ""),
	HIDDEN("hidden-proc-cwd", "cat /proc/self/cwd/@E", ""),
	HIDDEN("hidden-rename", "mv @E l; cat l", "mv"),
	HIDDEN("hidden-parent", "mv @D moved; cat moved/* moved/.[!.]*", "mv"),
	HIDDEN("hidden-mode", "chmod 777 @E; cat @E", "chmod"),
	HIDDEN("hidden-archive", "tar chf - .", "tar"),
	HIDDEN("hidden-copy", "cp -rL . /tmp/c$$; cat /tmp/c$$/@E", "cp"),
	HIDDEN("hidden-python", "python3 -c 'import os; d = os.open(\".\", os.O_PATH); print(os.read(os.open(\"@E\", "
	       "os.O_RDONLY, dir_fd=d), 99))'", "python3"),
	/* what `files` keeps */
	HOOK("hook-write", "echo x > @G", ""),
	HOOK("hook-link", "ln -s @G l; echo x > l", "ln"),
	HOOK("hook-hard-link", "ln @G l; echo x > l", "ln"),
	HOOK("hook-replace", "echo x > l; mv -f l @G", "mv"),
	HOOK("hook-remove", "rm -f @G", "rm"),
	HOOK("hook-directory", "mv .git/hooks h; mkdir .git/hooks; echo x > @G", "mv mkdir"),
	HOOK("hook-parent", "mv .git g; mkdir -p .git/hooks; echo x > @G", "mv mkdir"),
	HOOK("hook-proc-root", "echo x > /proc/self/root$PWD/@G", ""),
	HOOK("hook-inside", "cd .git/hooks; echo x > pre-commit", ""),
	CONFIG("config-write", "echo x >> @G", ""),
	CONFIG("config-git", "git config -f @G x.y z", "git"),
	CONFIG("config-truncate", "truncate -s 0 @G", "truncate"),
	CONFIG("config-parent", "mv .git g; mkdir .git; echo x > @G", "mv mkdir"),
	OWNER("policy-write", "echo 'version: 1' > @G", ""),
	OWNER("policy-replace", "echo x > l; mv -f l @G", "mv"),
	OWNER("policy-parent", "mv .mishri m; mkdir .mishri; echo x > @G", "mv mkdir"),
	OWNER("policy-link", "ln -s .mishri m; echo x > m/policy.yaml", "ln"),
	OWNER("policy-proc-cwd", "echo x > /proc/self/cwd/@G", ""),
	OWNER("policy-sed", "sed -i s/was/is/ @G", "sed"),
	/* out of the cell: files */
	KEPT("read-outside", "cat @S", SIGN_TOKEN, ""),
	KEPT("read-link", "ln -s @S l; cat l", SIGN_TOKEN, "ln"),
	KEPT("read-dots", "cat ../../../../../../../..@S", SIGN_TOKEN, ""),
	KEPT("read-hard-link", "ln @S l; cat l", SIGN_TOKEN, "ln"),
	KEPT("read-proc-root", "cat /proc/self/root@S /proc/1/root@S /proc/@K/root@S", SIGN_TOKEN, ""),
	KEPT("read-proc-cwd", "cat /proc/@K/cwd@S /proc/1/cwd@S", SIGN_TOKEN, ""),
	KEPT("read-archive", "tar cPf - @S", SIGN_TOKEN, "tar"),
	KEPT("write-outside", "echo x > @W", SIGN_OUTSIDE, ""),
	KEPT("write-link", "ln -s @W l; echo x > l", SIGN_OUTSIDE, "ln"),
	KEPT("write-rename", "mv prey @W", SIGN_OUTSIDE, "mv"),
	KEPT("write-archive", "ln -s @W l; tar chf a.tar prey; tar xPf a.tar "
	     "--transform='s|prey|@W|'", SIGN_OUTSIDE, "tar ln"),
	KEPT("write-python", "python3 -c 'open(\"@W\", \"w\")'", SIGN_OUTSIDE, "python3"),
	/* out of the cell: processes and privileges */
	KEPT("signal", "kill -0 @K", SIGN_STATUS, ""),
	KEPT("environment-of-others", "cat /proc/@K/environ > /dev/null", SIGN_STATUS, ""),
	KEPT("set-user-id", "cat /usr/bin/true > w; chmod 4755 w", SIGN_STATUS, "chmod"),
	KEPT("namespace", "unshare -U true", SIGN_STATUS, "unshare"),
	KEPT("limits-of-others", "prlimit --pid @K --core=0:0", SIGN_STATUS, "prlimit"),
	/* out of the cell: the network, past the proxy */
	KEPT("tcp-no-variable", "env -u http_proxy -u HTTP_PROXY -u all_proxy -u ALL_PROXY curl -s -m 3 "
	     "http://127.0.0.1:@N/", SIGN_REACHED, "curl env"),
	KEPT("tcp-python-raw", "python3 -c 'import urllib.request as u; u.build_opener(u.ProxyHandler({})).open("
	     "\"http://127.0.0.1:@N/\", timeout=3)'", SIGN_REACHED, "python3"),
	KEPT("tcp-bash", "bash -c ': > /dev/tcp/127.0.0.1/@N'", SIGN_REACHED, "bash"),
	KEPT("tcp-python", "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", @N), "
	     "3)'", SIGN_REACHED, "python3"),
	KEPT("tcp-perl", "perl -MSocket -e 'socket(S, AF_INET, SOCK_STREAM, 0); connect(S, sockaddr_in(@N, "
	     "inet_aton(\"127.0.0.1\")))'", SIGN_REACHED, "perl"),
	KEPT("tcp-curl", "curl -s --noproxy '*' -m 3 http://127.0.0.1:@N/", SIGN_REACHED, "curl"),
	KEPT("tcp-mapped", "curl -s --noproxy '*' -m 3 http://[::ffff:127.0.0.1]:@N/", SIGN_REACHED, "curl"),
	KEPT("tcp-fast-open", "curl -s --tcp-fastopen --noproxy '*' -m 3 http://127.0.0.1:@N/", SIGN_REACHED, "curl"),
};
const size_t attack_count = COUNT(attacks);
