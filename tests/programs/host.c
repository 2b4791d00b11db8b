/* A program of its own that embeds Python, as uWSGI does: its main thread is C's and waits, Python runs in another.
 *
 * usage: HOST_BEGINS=main|thread host script.py words…
 * The interpreter begins in the thread that HOST_BEGINS says. Declares what it calls: needs no headers of Python. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

void Py_Initialize(void);
void PyEval_InitThreads(void) __attribute__((weak));
void *PyEval_SaveThread(void);
int PyGILState_Ensure(void);
int PyRun_SimpleString(const char *);

static int begins_in_main;

static void *run(void *unused) {
    if (begins_in_main)
        PyGILState_Ensure();
    else
        Py_Initialize();
    int failed = PyRun_SimpleString(
        "import os, sys\n"
        "with open('/proc/self/cmdline') as words: sys.argv = words.read().split('\\0')[1:-1]\n"
        "sys.path.insert(0, os.path.dirname(sys.argv[0]))\n"
        "with open(sys.argv[0], encoding='utf-8') as text: code = compile(text.read(), sys.argv[0], 'exec')\n"
        "exec(code)\n");
    exit(failed);
    return unused;
}

int main(void) {
    const char *begins = getenv("HOST_BEGINS");
    begins_in_main = begins != NULL && strcmp(begins, "main") == 0;
    if (begins_in_main) {
        Py_Initialize();
        /* To 3.6 there is no lock before. */
        if (PyEval_InitThreads)
            PyEval_InitThreads();
        PyEval_SaveThread();
    }
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    return 1;
}
