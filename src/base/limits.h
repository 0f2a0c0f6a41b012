/* limits.h - every maximum of the project, in one place. Units are last in the names. */
#ifndef MISHRI_BASE_LIMITS_H
#define MISHRI_BASE_LIMITS_H

#define KIB(n) ((size_t)(n) * 1024u)
#define MIB(n) ((size_t)(n) * 1024u * 1024u)

/* base */
#define LIMIT_ERR_TEXT_BYTES        1024
#define LIMIT_JSON_DEPTH            64
#define LIMIT_JSON_BYTES            MIB(64)
#define LIMIT_FILE_BYTES            MIB(16)  /* a configuration, policy or recorded file */

#define LIMIT_LOG_TEXT_BYTES        KIB(2)   /* of one text in a line of the operators' log */

/* what a person or a model gives */
#define LIMIT_GOAL_BYTES            MIB(1)
#define LIMIT_CALLS_PER_REPLY       64
#define LIMIT_CALL_ARGS_BYTES       MIB(1)
#define LIMIT_CALL_ATTEMPTS         5        /* a harmless call whose engine stops each time is not run for ever */
#define LIMIT_CALL_NAME_BYTES       128
#define LIMIT_CALL_ARGS_DEPTH       32       /* an event around them must stay within LIMIT_JSON_DEPTH */
#define LIMIT_REPLY_TEXT_BYTES      MIB(4)

/* model traffic */
#define LIMIT_SSE_LINE_BYTES        MIB(4)
#define LIMIT_REPLY_BODY_BYTES      MIB(32)
#define LIMIT_ERROR_BODY_BYTES      KIB(64)
#define LIMIT_MODEL_ATTEMPTS        5        /* of one request to one model */
#define LIMIT_TOOL_ATTEMPTS         3        /* of a call that may be run again, when what stopped it may pass */
#define LIMIT_RETRY_TIME_MS         600000   /* from the first failure to the last attempt, waiting included */
#define LIMIT_RETRY_BASE_MS         1000
#define LIMIT_RETRY_CAP_MS          30000
#define LIMIT_RETRY_AFTER_MS        300000   /* a longer Retry-After ends the attempt instead */
#define LIMIT_MODEL_CONNECT_MS      15000
#define LIMIT_MODEL_FIRST_MS        300000   /* from the request to the first byte of the answer */
#define LIMIT_MODEL_IDLE_MS         300000   /* no byte for this long: the stream is dead */
#define LIMIT_MODEL_TOTAL_MS        1800000  /* from the request to the last byte */
#define LIMIT_FALLBACKS             8        /* models that stand in for one */
#define LIMIT_FALLBACK_STAY_MS      300000   /* how long a task stays with one before its own is asked again */
#define LIMIT_BREAKER_FAILURES      5        /* in a row; with the next one the model is left alone */
#define LIMIT_BREAKER_OPEN_MS       60000    /* for so long */
#define LIMIT_MODEL_TAIL_MS         1000     /* the same, once the provider said that its reply is whole */
#define LIMIT_REQUEST_BODY_BYTES    MIB(32)
#define LIMIT_CALL_ID_BYTES         128
#define LIMIT_MODELS_OPEN           1024     /* that one engine was ever asked for */
#define LIMIT_MODEL_NAME_BYTES      512
#define LIMIT_API_KEY_BYTES         KIB(4)

/* a task, unless flags or configuration say less */
#define LIMIT_TASK_TURNS            100
#define LIMIT_TASK_CALLS            1000
#define LIMIT_TASK_TIMEOUT_MS       3600000
#define LIMIT_TASK_DISK_BYTES       (MIB(16) * 1024u)
#define LIMIT_TASK_DEPTH            3
#define LIMIT_TASK_TAINTS           16       /* labels on one task */
#define LIMIT_TASK_CHILDREN         64       /* of one delegation */
#define LIMIT_REPORT_BYTES          KIB(32)  /* of one child, in the result of a delegation */
#define LIMIT_PLAN_STEPS            64
#define LIMIT_PLAN_ID_BYTES         32
#define LIMIT_COMPACT_LINES_BYTES   KIB(16)  /* about what a compaction dropped */
#define LIMIT_AGENTS                64       /* profiles in the configuration */
#define LIMIT_AGENT_PROMPT_BYTES    KIB(32)
#define LIMIT_INSTRUCTIONS_BYTES    KIB(32)  /* of AGENTS.md */
#define LIMIT_SKILLS                64
#define LIMIT_SKILL_BYTES           KIB(256) /* a SKILL.md; only its front matter is kept */
#define LIMIT_SKILL_ABOUT_CHARS     1024
#define LIMIT_SKILL_NAME_BYTES      64
#define LIMIT_KEY_COMMAND_MS        10000

/* store */
#define LIMIT_EVENT_INLINE_BYTES    KIB(16)  /* a longer string goes to blobs */
#define LIMIT_EVENT_BYTES           MIB(8)
#define LIMIT_BATCH_EVENTS          1024
#define LIMIT_STORE_QUEUE_BATCHES   4096
#define LIMIT_STORE_GROUP_EVENTS    8192     /* in one transaction, unless one batch alone has more */
#define LIMIT_STORE_BUSY_MS         10000
#define LIMIT_STORE_WAL_IDLE_PAGES  1000     /* of 4 KiB in the log, from which an idle writer carries it over */
#define LIMIT_STORE_WAL_PAGES       4000     /* and a busy one */
#define LIMIT_WORDS_BATCH           4096     /* events between two commits of the index of words */
#define LIMIT_WORDS_IDLE            256      /* events behind, from which an idle writer brings it up to date */
#define LIMIT_WORDS_BEHIND          8192     /* and a busy one */
#define LIMIT_WORDS_TEXT_BYTES      KIB(16)  /* of one text that are indexed */
#define LIMIT_AUDIT_KEYS            256      /* that have signed one store, one after another */
#define LIMIT_LEASE_MS              45000
#define LIMIT_LEASE_RENEW_MS        15000
#define LIMIT_STEER_BYTES           KIB(64)  /* of what a person says to a task, or answers */
#define LIMIT_PASTE_BYTES           MIB(1)   /* of what is pasted or typed into one line of the terminal */
#define LIMIT_LINE_HISTORY          1000     /* lines that a terminal's history keeps */
#define LIMIT_CHAT_NAME_BYTES       64       /* of the name of a chat */
#define LIMIT_PRIORITY              100      /* the highest; the lowest is its negative */
#define LIMIT_FORK_PARTS             16
#define LIMIT_CANCEL_WAIT_MS        60000    /* how long `cancel` waits for the end */
#define LIMIT_FORK_EVENT_BYTES      MIB(2)   /* of the conversation in one event of a fork */
#define LIMIT_RUNS_TABLE            64          /* places of an engine's table of runs at first; it doubles */
#define LIMIT_INBOX_POLL_MS         500

/* people */
#define LIMIT_APPROVAL_MS           86400000ll   /* no answer in a day is a no, where the rule sets no other time */
#define LIMIT_APPROVAL_MOST_MS      31536000000ll /* a year */
#define LIMIT_ANSWER_WAIT_MS        5000         /* how long `approve` waits for the engine's word on an answer */
#define LIMIT_REASON_BYTES          KIB(4)
#define LIMIT_APPROVALS_SHOWN       1000         /* in one list */

/* policy */
#define LIMIT_POLICY_BYTES          MIB(1)
#define LIMIT_POLICY_RULES          10000
#define LIMIT_POLICY_REGEX_STEPS    100000   /* PCRE2 match limit; reached = the stricter outcome */
#define LIMIT_OFFER_MS              1500     /* a server is asked which models it has */
#define LIMIT_OFFERS                20       /* models of one server that are shown */
#define LIMIT_POLICY_SIEVE_BYTES    KIB(64)  /* of a text; in a longer one nearly every triple is found */
#define LIMIT_POLICY_DEPTH          32
#define LIMIT_POLICY_REGEX_MS       100      /* all patterns of one decision; over it, the same */
#define LIMIT_POLICY_REGEX_HEAP_BYTES MIB(4)  /* what one match may take */

#define LIMIT_POLICY_LIMITS         1000     /* entries of limits and of budgets, each, in all files */
#define LIMIT_POLICY_HITS           16       /* limits, and budgets, that concern one action; one with more is denied */
#define LIMIT_RATE_COUNT            1000000  /* uses and burst; with the next one it stays within 63 bits */
#define LIMIT_RATE_PER_US           2592000000000ll /* 30 days */
#define LIMIT_BUDGET_OUTPUT_TOKENS  256      /* a model that may not even answer this much is not asked */
#define LIMIT_BUDGET_REPLY_TOKENS   8192     /* the longest reply where a budget holds and nobody says; current models have it */
#define LIMIT_POLICY_LOOK_MS        200      /* between two looks at the policy files while much is decided */
#define LIMIT_POLICY_WATCH_MS       1000     /* the same, while nothing is */
#define LIMIT_TRUST_FILES           4096     /* of one project, that are bound to its trust */
#define LIMIT_TRUST_BYTES           MIB(16)  /* of all of them */

/* cell */
#define LIMIT_CELL_MESSAGE_BYTES    KIB(200) /* one datagram of the cell protocol */
#define LIMIT_CELL_FDS              8        /* descriptors in one datagram */
#define LIMIT_CELL_ARGV_SHOWN_BYTES KIB(32)  /* argv as policy sees it; a longer one is denied */
#define LIMIT_CELL_HELD             256      /* programs that wait for a decision at once */
#define LIMIT_CELL_CALLS            64       /* calls that run at once in one cell */
#define LIMIT_CELL_MEMORY_BYTES     MIB(4096)
#define LIMIT_CELL_PROCESSES        1024
#define LIMIT_CELL_OPEN_FILES       4096
#define LIMIT_CELL_FILE_BYTES       MIB(4096)
#define LIMIT_CELL_TMP_BYTES        MIB(1024)
#define LIMIT_CELL_TMP_FILES_LEAST  1024     /* files that a small /tmp can hold; a large one a file for each 4 KiB */
#define LIMIT_CELL_DENY_STUB_MS     100
#define LIMIT_CELL_WATCH_LEAST_MS   10       /* between two looks at what a cell uses, the shorter the less is left */
#define LIMIT_CELL_WATCH_MOST_MS    1000
#define LIMIT_CELL_WATCH_SHARE      20       /* a look may take one part in so many of a processor */
#define LIMIT_CELL_SPARE_PROCESSES  64       /* what the kernel allows beyond the limit: who comes near is ended before */
#define LIMIT_CELL_FILES_IN_MEMORY  1024     /* told apart in one look */
#define LIMIT_CELL_GROUP_MS         2000     /* for the control group of a cell to become empty */
#define LIMIT_CELL_GRACE_MS         5000     /* from cancel to SIGKILL */
#define LIMIT_CELL_REPORT_BYTES     KIB(32)  /* what is in force, or what a machine offers, as JSON */
#define LIMIT_CELL_DENY_TEXT_BYTES  1024     /* the line that a refused program prints */
#define LIMIT_CELL_DENY_STARVED_MS  2000     /* more than LIMIT_CELL_DENY_STUB_MS, while it waits for a processor */
#define LIMIT_CELL_NAMES            16       /* names of one program; one with more is refused */
#define LIMIT_CELL_HASH_BYTES       MIB(256) /* a larger program has no SHA-256; where a rule asks for one, that is a no */
#define LIMIT_CELL_HASHES           256      /* of programs that a cell remembers */
#define LIMIT_CELL_PROGRAM_HASHES   3        /* what runs, and what runs it: script, interpreter, loader */
#define LIMIT_CELL_ENV_READ_BYTES   KIB(256) /* a program with a larger environment is untrusted */
#define LIMIT_CELL_OPEN_MS          10000    /* from OPEN to a cell or an error */
#define LIMIT_CELL_SEND_MS          5000     /* a peer that takes no message for so long is lost */
#define LIMIT_CELL_HELD_CHECK_MS    50       /* how often a held program is asked for a fatal signal */
#define LIMIT_ATTACK_MS             10000    /* one attempt of `policy attack` */
#define LIMIT_CELL_WAIT_BATCH       256      /* reports of processes between two looks at the socket */
#define LIMIT_CELL_MOUNTS           2048     /* mounts of one cell that are known by number */

#define LIMIT_CELL_WRITABLE         16       /* directories beside the workspace */
#define LIMIT_CELL_LAYER_WAIT_MS    3000     /* for the end of an engine that had the same layer */

/* files of a policy, and layers of changes */
#define LIMIT_FILES_PATTERNS        256      /* of each kind, in all layers */
#define LIMIT_FILES_PATTERN_BYTES   512
#define LIMIT_FILES_GUARDED         1024     /* places that one cell guards; each is a mount */
#define LIMIT_FILES_WALKED          2000000  /* names looked at for patterns */
#define LIMIT_FILES_DEPTH           200
#define LIMIT_FILES_LINKED          4096     /* guarded files that have a second name somewhere */
#define LIMIT_LAYER_MOST_BYTES      (1ll << 40) /* of what one task tree changes, whatever the configuration says */
#define LIMIT_TMP_KEPT_BYTES        MIB(64)  /* the /tmp of a parked task, as a stream; a larger one is not kept */
#define LIMIT_TMP_KEPT_MS           600000   /* how long it waits for the return */
#define LIMIT_TMP_KEEPING_MS        5000     /* that a park or a return waits for it */
#define LIMIT_LAYER_LOOK_MS         1000     /* how often it is measured while something runs */
#define LIMIT_LAYER_LOOK_ENTRIES    512      /* names measured without a pause */
#define LIMIT_LAYER_CHANGES         500000   /* of one layer */
#define LIMIT_DIFF_FILE_BYTES       MIB(4)   /* a larger file is shown as changed, without its lines */
#define LIMIT_DIFF_LINES            200000
#define LIMIT_DIFF_EDITS            4000     /* beyond so many, a file is shown as removed and added whole */
#define LIMIT_JOURNAL_BYTES         MIB(256)

#define LIMIT_CELL_PROXY_PORT       3128     /* in the network of a cell, see CELL_PROXY */

/* connections out of cells, unless net.* of the configuration says otherwise */
#define LIMIT_NET_BACKLOG           128      /* that wait to be accepted */
#define LIMIT_NET_CONNECTIONS       128      /* of one cell at once; more wait */
#define LIMIT_NET_TASK_CONNECTIONS  10000    /* of one task, each with its events; more are refused */
#define LIMIT_NET_HELD              16       /* of one cell that wait for a person */
#define LIMIT_NET_HEAD_BYTES        KIB(32)  /* the head of a request or of a response */
#define LIMIT_NET_HEADERS           100
#define LIMIT_NET_HEAD_MS           20000    /* from the first look to a whole request: slow ones hold a place no longer */
#define LIMIT_NET_CONNECT_MS        10000    /* to one address */
#define LIMIT_NET_ADDRESSES         4        /* of one name that are tried */
#define LIMIT_NET_RESOLVE_MS        10000
#define LIMIT_NET_IDLE_MS           120000
#define LIMIT_NET_TIME_MS           3600000
#define LIMIT_NET_BYTES             MIB(1024)
#define LIMIT_NET_TASK_BYTES        ((size_t)MIB(1024) * 8)
#define LIMIT_NET_BUFFER_BYTES      KIB(64)  /* waiting in one direction of one connection */
#define LIMIT_NET_LINGER_MS         2000     /* that a refused client has to read why */
#define LIMIT_NET_LINGER_BYTES      MIB(1)   /* and that it may still send meanwhile */
#define LIMIT_NET_SECRETS           4        /* headers of one request that the engine fills in */
#define LIMIT_NET_DENIED_EVENTS     1000     /* refusals of one cell that are written down one by one */
#define LIMIT_NET_ACCEPTS           32       /* connections taken between two looks at everything else */
#define LIMIT_NET_BACKOFF_MS        100      /* no descriptor was left */

/* Where the engine runs as root, a cell's user is one of these outside. They lie above what distributions, containers
 * (524288 and on) and sub-id ranges hand out, and below 2^31, where old programs take a number for a negative one; see
 * the table of systemd's UIDS-GIDS. The second range stands for third owners of files in a workspace: no process has them. */
#define LIMIT_CELL_ID_FIRST         2000000000u
#define LIMIT_CELL_ID_COUNT         65536u
#define LIMIT_CELL_FOREIGN_FIRST    2000065536u
#define LIMIT_CELL_ID_INSIDE        1000u    /* what such a user is called inside */

/* tools */
#define LIMIT_CALL_WALL_MS          600000
#define LIMIT_CALL_CPU_MS           1800000
#define LIMIT_CALL_PRINTED_BYTES    MIB(64)  /* a call that prints more is ended */
#define LIMIT_CALL_OUTPUT_BYTES     KIB(64)  /* kept: this much head and tail together */
#define LIMIT_SHELL_WALL_MS         120000   /* where the model names no other time */
#define LIMIT_BUILTIN_WALL_MS       60000    /* a tool that starts no program */
#define LIMIT_TOOL_PATH_BYTES       4096
#define LIMIT_TOOL_LINKS            40       /* symbolic links followed in one path */
#define LIMIT_READ_FILE_BYTES       MIB(64)  /* a larger file is left to shell and search */
#define LIMIT_READ_SHOWN_BYTES      KIB(56)  /* of one file in one call: fits into the output with its first line */
#define LIMIT_READ_LINES            2000     /* where the model names no other number */
#define LIMIT_WRITE_FILE_BYTES      MIB(1)
#define LIMIT_EDIT_FILE_BYTES       MIB(8)
#define LIMIT_LIST_ENTRIES          1000     /* shown in one answer */
#define LIMIT_DIR_ENTRIES           100000   /* read of one directory */
#define LIMIT_LIST_DEPTH            8
#define LIMIT_SEARCH_DEPTH          64
#define LIMIT_SEARCH_MATCHES        200
#define LIMIT_SEARCH_LINE_BYTES     240      /* of one shown line */
#define LIMIT_SEARCH_FILE_BYTES     MIB(8)   /* a larger file is passed over, and said so */
#define LIMIT_SEARCH_FILES          200000
#define LIMIT_IGNORE_FILE_BYTES     KIB(64)
#define LIMIT_IGNORE_RULES          1000     /* of all ignore files on the way to a directory */
#define LIMIT_REGEX_STEPS           100000   /* PCRE2 match limit of schemas and search */
#define LIMIT_REGEX_BYTES           KIB(4)
#define LIMIT_SEEN_FILES            4096     /* digests that a task keeps; the oldest goes, and must be read again */
#define LIMIT_SEEN_BYTES            MIB(20)  /* all of them with their paths, as a tool gets them */
#define LIMIT_SEEN_AT_ONCE          128      /* files that one call may tell of */
#define LIMIT_WORKSPACE_LOCK_MS     2000     /* a tool waits so long for another one that writes */
#define LIMIT_PATCH_BYTES           MIB(1)
#define LIMIT_PATCH_FILES           100
#define LIMIT_PATCH_HUNKS           1000
#define LIMIT_PATCH_OFFSET          100      /* lines that a hunk may lie away from where it says */
#define LIMIT_PATCH_TOTAL_BYTES     MIB(64)  /* of all files, before and after */
#define LIMIT_KEPT_OUTPUT_BYTES     MIB(8)   /* of one call, where the model gets only a part: head and tail together */
#define LIMIT_KEPT_OUTPUTS_BYTES    MIB(64)  /* of one task, as text */
#define LIMIT_READ_OUTPUT_BYTES     KIB(56)  /* of one answer of read_output */
#define LIMIT_BACKGROUND            8        /* programs of one task in the background */
#define LIMIT_LEAK_BYTES            4096     /* of one value behind a name such as "token" */
#define LIMIT_PRIVATE_KEY_BYTES     KIB(64)  /* from its first to its last line */
#define LIMIT_SANITIZE_ALLOW        64       /* patterns of what is never hidden */
#define LIMIT_SCHEMA_NODES          100000   /* schemas in one document */
#define LIMIT_SCHEMA_STEPS          2000000  /* keywords compared with one value */
#define LIMIT_SCHEMA_DEPTH          400      /* of schemas in schemas, references followed */
#define LIMIT_SCHEMA_DOUBTS         20       /* unknown keywords that a person is told of */
#define LIMIT_REGEX_HEAP_KIB        4096     /* of one match in a schema */
#define LIMIT_SANITIZE_BYTES        MIB(64)  /* the largest --max-output */
#define LIMIT_EXEC_EVENT_MS         10       /* that the event of an allowed program start may wait for others */
#define LIMIT_EXEC_EVENTS           1000     /* program starts written down one by one, per call, and as many refusals */

/* health, and the end of a process */
#define LIMIT_HEALTH_TICK_MS        1000     /* between two beats of the loop, at most */
#define LIMIT_HEALTH_LOOP_MS        10000    /* what a loop may stand; the longest wait on purpose is LIMIT_TMP_KEEPING_MS */
#define LIMIT_HEALTH_STORE_MS       15000    /* of one transaction; longer than LIMIT_STORE_BUSY_MS */
#define LIMIT_HEALTH_WARDEN_MS      15000    /* longer than LIMIT_CELL_OPEN_MS, while which it may be busy */
#define LIMIT_HEALTH_CELL_MS        30000
#define LIMIT_HEALTH_PING_MS        2000     /* how often wardens and cells are asked */
#define LIMIT_HEALTH_SLACK_MS       5000     /* so much later the part itself would have noticed */
#define LIMIT_HEALTH_STACK_MS       1000     /* that a thread has to write down where it stands */
#define LIMIT_HEALTH_ANSWER_MS      2000     /* that an engine has to say how it is */
#define LIMIT_HEALTH_ANSWER_BYTES   KIB(96)  /* one datagram; what does not fit is counted */
#define LIMIT_HEALTH_ROWS           200      /* of tasks in one answer, beside those that are late */
#define LIMIT_HEALTH_DISK_BYTES     MIB(64)  /* less free space than this is no health */
#define LIMIT_WARDEN_RESTARTS       16       /* of one engine */
#define LIMIT_CELL_KINDS            32       /* kinds of cells that an engine knows to work: cell_late.c */
#define LIMIT_SHARED_VALUES         32       /* that an engine keeps once for all its tasks */
#define LIMIT_CELL_LOSSES           3        /* of one task in one run, that it goes on after */
#define LIMIT_STOP_MS               5000     /* from the first signal to the end */
#define LIMIT_STOP_GUARD_MS         3000     /* beyond it the watchdog ends the process */
#define LIMIT_STOP_TELL_MS          400      /* a stop that is over sooner shows no count */

/* loops */
#define LIMIT_LOOP_WINDOW           64       /* calls that are looked back at */
#define LIMIT_LOOP_WAIT_MS          1000     /* a call that takes so long and is content may be waiting for something */

/* tools by manifest */
#define LIMIT_TOOLS                 128      /* ours and those of manifests together */
#define LIMIT_OWN_TOOLS             64
#define LIMIT_OWN_NAME_BYTES        64
#define LIMIT_OWN_ABOUT_BYTES       KIB(4)
#define LIMIT_OWN_MANIFEST_BYTES    KIB(256)
#define LIMIT_OWN_ARGS              64       /* words of the template */
#define LIMIT_OWN_WORDS             1024     /* of the command line that it becomes */
#define LIMIT_OWN_COMMAND_BYTES     KIB(96)  /* all of them; a message to the cell must hold them */

/* secrets */
#define LIMIT_SECRETS               64
#define LIMIT_SECRET_BYTES          KIB(4)
#define LIMIT_SECRET_LEAST_BYTES    8        /* a shorter one cannot be told from other text, so it could not be kept out */
#define LIMIT_SECRET_NAME_BYTES     64
#define LIMIT_SECRETS_PER_CALL      16
#define LIMIT_SECRET_COMMAND_MS     10000

/* prices */
#define LIMIT_PRICES                256      /* in the configuration */
#define LIMIT_PRICE_USD             1000000  /* of a million tokens */

/* http_fetch */
#define LIMIT_FETCH_HOPS            5        /* redirects */
#define LIMIT_FETCH_URL_BYTES       8192
#define LIMIT_FETCH_HEAD_BYTES      KIB(64)
#define LIMIT_FETCH_BODY_BYTES      MIB(16)  /* as it came, and unpacked */
#define LIMIT_FETCH_WALL_MS         120000   /* where the model names no other time; a person may be asked meanwhile */

/* notes */
#define LIMIT_NOTES                 1000     /* of one user */
#define LIMIT_NOTE_BYTES            KIB(8)
#define LIMIT_NOTE_TAGS             16
#define LIMIT_NOTES_SHOWN           50       /* in one answer */

/* the service and its API */
#define LIMIT_HTTP_CONNECTIONS      2048     /* at once; more are told so and closed */
#define LIMIT_HTTP_LOCAL            64       /* of them, that only the Unix socket may take */
#define LIMIT_HTTP_HEAD_BYTES       KIB(16)
#define LIMIT_HTTP_TARGET_BYTES     KIB(4)
#define LIMIT_HTTP_BODY_BYTES       (MIB(2) + KIB(64)) /* a goal of its full length, escaped a little */
#define LIMIT_HTTP_BODIES_BYTES     MIB(64)  /* of all requests that are being read */
#define LIMIT_HTTP_REQUEST_MS       20000    /* from its first byte to its last: slow ones hold a place no longer */
#define LIMIT_HTTP_IDLE_MS          60000    /* between two requests of one connection */
#define LIMIT_HTTP_WRITE_MS         30000    /* a client that takes no byte for so long is gone */
#define LIMIT_HTTP_LINGER_MS        1000     /* that a refused client has to read why */
#define LIMIT_HTTP_BUFFER_BYTES     KIB(256) /* of a stream, waiting to be taken; what is beyond is read again later */
#define LIMIT_HTTP_PARTS            16       /* of a path */
#define LIMIT_HTTP_HOSTS            16
#define LIMIT_STREAM_LOOK_MS        500      /* for events of other engines */
#define LIMIT_STREAM_ALIVE_MS       15000    /* a line that says nothing, so that both sides see that the other is there */
#define LIMIT_CHATS                 256      /* answers to chat completions that are waited for, at once */
#define LIMIT_CHATS_USER            32       /* of them, one user's */
#define LIMIT_CHAT_MESSAGES         4096
#define LIMIT_CHAT_PIECE_BYTES      KIB(4)   /* of an answer, in one chunk of a stream */
#define LIMIT_CHAT_AGAIN_BYTES      KIB(64)  /* of a reply that is read from the store, at once */
#define LIMIT_REVEAL_BYTES          KIB(16)  /* of a line of a model's text that is looked at as one */
#define LIMIT_API_WORKERS           4        /* processes that read for the API, at once; the others wait */
#define LIMIT_API_WORK_MS           60000    /* one of them, at most */
#define LIMIT_API_WORK_BYTES        MIB(64)  /* of its answer */
#define LIMIT_API_UNSENT_BYTES      MIB(128) /* of answers that clients have not taken yet, before nothing more is read for any */
#define LIMIT_API_UNSENT_MS         200      /* then it is looked again */
#define LIMIT_API_LOOK_MS           20       /* whether an engine has taken a person's answer */
#define LIMIT_STREAM_PAGE           256      /* events read at once for one stream */
#define LIMIT_STREAMS_OF_TOKEN      512      /* at once */
#define LIMIT_STREAMS               1536     /* at once; the other connections are for requests */
#define LIMIT_QUESTIONS_UP          16       /* of one task to the one above */
#define LIMIT_ANSWER_TURNS          2        /* of the task that answers */
#define LIMIT_ANSWER_MS             600000
#define LIMIT_ASKED_BYTES           KIB(2)   /* of a question, and of an answer, in a report */
#define LIMIT_PAGE_ROWS             1000     /* of one answer */
#define LIMIT_TOKENS                10000
#define LIMIT_TOKEN_NAME_BYTES      64
#define LIMIT_API_BUCKETS           256      /* users whose requests are counted at once */
#define LIMIT_TOKEN_FAILURES        10       /* wrong ones in a row, before each further one has to wait */
#define LIMIT_TOKEN_FAILURE_MS      1000     /* one wrong token is forgotten after so long */
#define LIMIT_RECOVER_LOOK_MS       3000     /* for tasks of engines that are gone */
#define LIMIT_RECOVER_AT_ONCE       32       /* taken over in one look */
#define LIMIT_RETENTION_ROUND       500      /* trees that leave in one round of retention */
#define LIMIT_RETENTION_PAUSE_MS    2000     /* before the next one, where there are more */
#define LIMIT_RETENTION_FIRST_MS    10000    /* from a service's start to its first round */
#define LIMIT_RECOVER_ATTEMPTS      5        /* without progress; then a person has to look */
#define LIMIT_SERVE_PLACES          256      /* workspaces with their policies, at once */
/* schedules */
#define LIMIT_ZONE_BYTES            KIB(256) /* of a file of a time zone */
#define LIMIT_ZONES                 2048     /* names that are looked through for the one that was meant */
#define LIMIT_CRON_BYTES            1024
#define LIMIT_CRON_YEARS            12       /* no match in so many years is no match; February 29 may be 8 years away */
#define LIMIT_SCHEDULES             20000    /* of one store */
#define LIMIT_SCHEDULE_NAME_BYTES   64
#define LIMIT_SCHEDULE_LEAST_MS     1000     /* between two instants of an interval */
#define LIMIT_SCHEDULE_MOST_MS      31622400000ll /* the same, and every other span of a schedule: 366 days */
#define LIMIT_SCHEDULE_ON_TIME_MS   10000    /* later than that is late */
#define LIMIT_SCHEDULE_CATCH_UP_MS  3600000  /* a run that was missed is made up for so long, unless told otherwise */
#define LIMIT_SCHEDULE_JITTER_MS    10000    /* unless told otherwise; and a tenth of the gap, always */
#define LIMIT_SCHEDULE_QUEUE        100      /* instants that may wait for a run to end */
#define LIMIT_SCHEDULE_RUNNING      10       /* runs of one schedule at once */
#define LIMIT_SCHEDULE_FAILURES     5        /* in a row, then it is paused, unless told otherwise */
#define LIMIT_SCHEDULE_INSTANTS     10000    /* looked at in one step */
#define LIMIT_SCHEDULE_SHOWN        1000     /* instants, or runs, in one answer */
#define LIMIT_SCHEDULE_POLL_MS      1000     /* between two looks at what other processes changed */
#define LIMIT_SCHEDULE_BEAT_MS      15000    /* without a look at the schedules: late */
#define LIMIT_SCHEDULE_UNDER_WAY    256      /* decisions that are being written at once */
/* history */
#define LIMIT_HISTORY_TERMS         16       /* words and phrases of one search */
#define LIMIT_HISTORY_QUERY_BYTES   KIB(1)
#define LIMIT_HISTORY_VALUES        64       /* models whose names have a text in them */
#define LIMIT_HISTORY_STEPS         200000   /* looks into sorted lists for one page */
#define LIMIT_HISTORY_RANKED        1000     /* newest trees that are ranked */
#define LIMIT_HISTORY_HITS          50       /* texts of one tree that are counted for its rank */
#define LIMIT_HISTORY_SNIPPETS      3        /* shown of one tree */
#define LIMIT_IMPORT_BYTES          MIB(1024) /* of a file */
#define LIMIT_IMPORT_EVENTS         1000000
#define LIMIT_FOLLOW_POLL_MS        100      /* between two looks of `events --follow` */
#define LIMIT_DAY_US                86400000000ll /* a day */
#define LIMIT_CLOCK_STEP_US         3600000000ll /* a clock that was set wrong by less hides nothing from --since */

/* slots and locks */
#define LIMIT_SLOTS_DEFAULT         256      /* at once, in one engine */
#define LIMIT_SLOTS_MOST            100000
#define LIMIT_REAP_MS               200      /* tasks that are over are forgotten then */
#define LIMIT_REST_LEAST_MS         100      /* between two looks for tasks that only wait */
#define LIMIT_REST_MOST_MS          5000
#define LIMIT_REST_AT_ONCE          200      /* trees laid down by one look: the loop has other things to do */
#define LIMIT_SLOT_STEP_US          10000000 /* of waiting: so much is a step of priority worth */
#define LIMIT_SLOT_TELL_MS          1000     /* who waits longer for a slot says so */
#define LIMIT_SLOT_BEHIND           8        /* tasks that are named then */
#define LIMIT_LOCK_NAME_BYTES       64
#define LIMIT_LOCKS_PER_TASK        64
#define LIMIT_WAIT_CYCLE            64       /* waits of one cycle */
#define LIMIT_WAIT_EDGES            16384    /* of one tree */
#define LIMIT_CHILD_RESERVE_MS      60000    /* at most; a tenth of what is left to the task above stays its own */

/* what a person looks at */
#define LIMIT_TRACE_SPANS           200000   /* of one trace; what is beyond is counted and said */
#define LIMIT_TRACE_TEXT_BYTES      KIB(64)  /* of one text in a trace with content */
#define LIMIT_TRACE_WORDS           100000   /* of outputs that are looked for in later arguments */
#define LIMIT_TRACE_WORD_BYTES      KIB(64)  /* of one output in which words are looked for */
#define LIMIT_OTEL_QUEUE_BYTES      MIB(16)  /* of spans that wait for a receiver */
#define LIMIT_OTEL_BATCH_BYTES      MIB(4)   /* of one request */
#define LIMIT_OTEL_ANSWER_BYTES     KIB(64)
#define LIMIT_OTEL_BACKOFF_MS       1000     /* before the second attempt; doubled each time */
#define LIMIT_OTEL_BACKOFF_MOST_MS  30000
#define LIMIT_OTEL_RETRY_MS         300000   /* then a batch is given up */
#define LIMIT_OTEL_HEADERS_BYTES    KIB(16)  /* a file of headers */
#define LIMIT_METRIC_SERIES         200      /* of one metric; what more there would be is "other" */
#define LIMIT_METRIC_TASKS          100000   /* tasks and questions under way that are remembered */
#define LIMIT_METRICS_BYTES         MIB(16)
#define LIMIT_OTLP_SEND_MS          60000    /* for one queue full of spans, afterwards */
#define LIMIT_OTLP_TASKS            100000   /* sent at once */
#define LIMIT_OTEL_LIVE_TASKS       1000     /* trees of tasks whose spans are sent as they work */
#define LIMIT_OTEL_LIVE_WORDS       5000     /* of one of them, as LIMIT_TRACE_WORDS */
#define LIMIT_TRACE_CALL_EDGES      8        /* to one call, from calls whose outputs its arguments repeat */

#endif
