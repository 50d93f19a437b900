// What the key keeper's process gives up once it has its key: all but the few system calls that
// signing takes (seccomp(2)). Any other ends it.
#pragma once

namespace penstock::bump {

// No core dumps, no debugger but root's, no new privileges; dies with the thread that started it;
// only `socket` and the standard three stay open. Goes first, before there is a secret.
void keep_to_oneself(int socket);

// The rest, for ever. What this machine does not allow (a lock on memory) is gone without; false:
// there is no filter, since the kernel refuses it.
bool confine(int socket);

}  // namespace penstock::bump
