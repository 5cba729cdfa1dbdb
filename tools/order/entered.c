// Which functions of a program are ever entered, in the order in which they are first.
//
//     entered OFFSETS OUT PROGRAM [ARGUMENT]...
//
// OFFSETS holds where functions begin in the file's address space, one hexadecimal number a line; OUT gets those that were entered.
// Each function's first byte is replaced by a breakpoint, which goes when it is met: a function costs one stop in its life, so the program
// runs nearly as fast as alone. Children that execute another program are let go. Only for amd64, where a breakpoint is one byte, 0xcc,
// and leaves the instruction pointer behind it.

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 1 << 18 };

static unsigned long begins[MOST];
static unsigned char first_byte[MOST], seen[MOST];
static size_t count;

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static int compare(const void *a, const void *b)
{
	unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

	return (x > y) - (x < y);
}

static int memory_of(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail(path);
	return fd;
}

// Where the program's file begins in memory: at the first line of its map.
static unsigned long base_of(pid_t pid)
{
	char path[64];
	unsigned long base;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "r");
	if (!maps || fscanf(maps, "%lx", &base) != 1)
		fail(path);
	fclose(maps);
	return base;
}

static void poke(int memory, unsigned long at, unsigned char byte)
{
	if (pwrite(memory, &byte, 1, (off_t)at) != 1)
		fail("writing into the program");
}

// True if the stop was one of ours; the function then goes on as if nothing had been.
static int entered(pid_t pid, unsigned long base, FILE *out)
{
	struct user_regs_struct registers;
	unsigned long begin, *found;
	int memory;

	if (ptrace(PTRACE_GETREGS, pid, 0, &registers))
		return 0;
	begin = registers.rip - 1 - base;
	found = bsearch(&begin, begins, count, sizeof(*begins), compare);
	if (!found)
		return 0;
	memory = memory_of(pid);
	poke(memory, base + begin, first_byte[found - begins]);
	close(memory);
	// Two threads may meet the same one, and so may a child that was forked while it stood.
	if (!seen[found - begins]) {
		seen[found - begins] = 1;
		fprintf(out, "%lx\n", begin);
	}
	registers.rip--;
	ptrace(PTRACE_SETREGS, pid, 0, &registers);
	return 1;
}

int main(int argc, char **argv)
{
	const long options = PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	unsigned long base;
	int memory, status;
	pid_t program, pid;
	FILE *offsets, *out;

	if (argc < 4) {
		fprintf(stderr, "usage: entered OFFSETS OUT PROGRAM [ARGUMENT]...\n");
		return 2;
	}
	offsets = fopen(argv[1], "r");
	if (!offsets)
		fail(argv[1]);
	while (count < MOST && fscanf(offsets, "%lx", &begins[count]) == 1)
		count++;
	fclose(offsets);
	qsort(begins, count, sizeof(*begins), compare);
	out = fopen(argv[2], "w");
	if (!out)
		fail(argv[2]);
	setlinebuf(out);

	program = fork();
	if (program < 0)
		fail("fork");
	if (program == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		execvp(argv[3], argv + 3);
		fail(argv[3]);
	}
	if (waitpid(program, &status, 0) != program || !WIFSTOPPED(status))
		return 2;
	ptrace(PTRACE_SETOPTIONS, program, 0, options);
	base = base_of(program);
	memory = memory_of(program);
	for (size_t i = 0; i < count; i++) {
		if (pread(memory, &first_byte[i], 1, (off_t)(base + begins[i])) != 1)
			fail("reading the program");
		poke(memory, base + begins[i], 0xcc);
	}
	close(memory);
	ptrace(PTRACE_CONT, program, 0, 0);

	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		int told = WSTOPSIG(status), event = status >> 16;

		if (WIFEXITED(status) || WIFSIGNALED(status)) {
			if (pid == program)
				return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		} else if (event == PTRACE_EVENT_EXEC) {
			ptrace(PTRACE_DETACH, pid, 0, 0);
		} else if (event || told == SIGSTOP || (told == SIGTRAP && entered(pid, base, out))) {
			// A new thread begins with SIGSTOP; that is the tracing's, not the program's.
			ptrace(PTRACE_CONT, pid, 0, 0);
		} else {
			ptrace(PTRACE_CONT, pid, 0, told);
		}
	}
	return 0;
}
