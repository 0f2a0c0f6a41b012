/* zone_file.c - where the system keeps time zones, and which one it is set to. It opens nothing outside that directory:
 * a name is checked before it becomes a path. */
#include "base/zone.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

#include "base/io.h"

#include "base/banned.h"

#define ZONE_DIR "/usr/share/zoneinfo"

/* UTC needs no file: an empty table and the rule "UTC0". */
static const char utc_file[] = "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
	"\0\0\0\0\0\0UTC\0" "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\4"
	"\0\0\0\0\0\0UTC\0" "\nUTC0\n";

static bool name_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > ZONE_NAME_LEN || name[0] == '/' || name[len - 1] == '/' || strstr(name, "//") != NULL)
		return false;
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") == len;
}

/* ---- a name that may have been meant ---- */

struct names { char *list[LIMIT_ZONES]; size_t count; };

/* Files of zones begin with a capital letter; the tables beside them do not. */
static void collect(struct names *names, const char *below, int depth)
{
	AUTO(freep) char *path = xasprintf(ZONE_DIR "/%s", below);
	DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir != NULL && names->count < LIMIT_ZONES && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] < 'A' || entry->d_name[0] > 'Z')
			continue;
		char *name = xasprintf("%s%s%s", below, below[0] != '\0' ? "/" : "", entry->d_name);
		if (entry->d_type == DT_DIR && depth > 0) {
			collect(names, name, depth - 1);
			free(name);
		} else if (name_valid(name)) {
			names->list[names->count++] = name;
		} else {
			free(name);
		}
	}
	if (dir != NULL)
		closedir(dir);
}

/* The last part alone, however it is spelled ("berlin"), is what people write most. */
static const char *near(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->count; i++) {
		const char *slash = strrchr(names->list[i], '/');
		if (strcasecmp(names->list[i], name) == 0 || (slash != NULL && strcasecmp(slash + 1, name) == 0))
			return names->list[i];
	}
	return name_nearest((const char *const *)names->list, names->count, name);
}

static int no_zone(const char *name, struct err *err)
{
	struct names *names = xcalloc(1, sizeof *names);
	const char *meant;

	if (access(ZONE_DIR, R_OK | X_OK) != 0) {
		free(names);
		return err_set(err, ENOENT, "time zone '%.64s': this system has no time zone data; install the package tzdata", name);
	}
	collect(names, "", 2);
	if ((meant = near(names, name)) != NULL)
		err_set(err, ENOENT, "there is no time zone '%.64s': did you mean '%s'?", name, meant);
	else
		err_set(err, ENOENT, "there is no time zone '%.64s'; names are those of the IANA database: Europe/Berlin, "
		        "America/New_York, UTC", name);
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i]);
	free(names);
	return -ENOENT;
}

int zone_load(const char *name, struct zone **ret, struct err *err)
{
	AUTO(buf_done) struct buf bytes = BUF_INIT(LIMIT_ZONE_BYTES);

	if (strcmp(name, "UTC") == 0)
		return zone_parse(name, (struct str){ utc_file, sizeof utc_file - 1 }, ret, err);
	if (!name_valid(name))
		return no_zone(name, err);
	AUTO(freep) char *path = xasprintf(ZONE_DIR "/%s", name);
	int r = io_read_file(path, &bytes, err);
	if (r == -ENOENT || r == -ENOTDIR || r == -EISDIR)
		return no_zone(name, err);
	if (r < 0)
		return r;
	return bytes.len >= 4 && memcmp(buf_text(&bytes), "TZif", 4) == 0 ? zone_parse(name, buf_str(&bytes), ret, err)
	                                                                  : no_zone(name, err);
}

/* ---- the system's own ---- */

static bool known(const char *name)
{
	struct zone *zone = NULL;
	bool found = name_valid(name) && zone_load(name, &zone, NULL) == 0;

	zone_free(zone);
	return found;
}

static bool use(const char *name, char ret[static ZONE_NAME_LEN + 1])
{
	if (!known(name))
		return false;
	memcpy(ret, name, strlen(name) + 1);
	return true;
}

const char *zone_system(char ret[static ZONE_NAME_LEN + 1])
{
	const char *tz = getenv("TZ");
	AUTO(buf_done) struct buf file = BUF_INIT(KIB(1));
	char link[PATH_MAX];

	if (tz != NULL && use(tz[0] == ':' ? tz + 1 : tz, ret))
		return ret;
	ssize_t n = readlink("/etc/localtime", link, sizeof link - 1);
	link[MAX(n, (ssize_t)0)] = '\0';
	const char *at = strstr(link, "zoneinfo/");
	if (at != NULL && use(at + strlen("zoneinfo/"), ret))
		return ret;
	if (io_read_file("/etc/timezone", &file, NULL) == 0) {
		struct str line = str_trim(buf_str(&file));
		AUTO(freep) char *name = xstrndup(line.ptr, line.len);
		if (use(name, ret))
			return ret;
	}
	memcpy(ret, "UTC", 4);
	return ret;
}
