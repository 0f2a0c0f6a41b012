/* manifests.c - where the tools lie that people define, and that they are read once, before configuration and policy, which
 * name tools. It reads nothing in a project that no person trusts, and says so. */
#include "cli/common.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/dirs.h"
#include "tools/own.h"

#include "base/banned.h"

#define ADMIN_TOOLS_DIR "/etc/mishri/tools"

static char *beside_user_config(void)
{
	AUTO(freep) char *file = dirs_user_config();

	if (file == NULL)
		return NULL;
	*strrchr(file, '/') = '\0';
	return xasprintf("%s/tools", file);
}

int cli_own_tools(const struct options *o, const char *workspace, struct err *err)
{
	static bool loaded;
	AUTO(freep) char *data = NULL;
	AUTO(freep) char *user = beside_user_config();
	AUTO(freep) char *project = workspace != NULL ? xasprintf("%s/.mishri/tools", workspace) : NULL;
	struct own_place places[3];
	size_t count = 0;

	if (loaded || option_given(o, "--no-user-config"))
		return 0;
	int r = cli_data_dir(o, &data, err);
	if (r < 0)
		return r;
	places[count++] = (struct own_place){ .dir = ADMIN_TOOLS_DIR, .owner = 0, .owned = true };
	if (user != NULL)
		places[count++] = (struct own_place){ .dir = user };
	if (project != NULL && trust_check(data, workspace))
		places[count++] = (struct own_place){ .dir = project, .project = true };
	else if (project != NULL && access(project, F_OK) == 0)
		fprintf(stderr, "mishri: %s is not read: this directory is not trusted\n", project);
	r = own_tools_load(places, count, err);
	loaded = r == 0;
	return r;
}
