// One question to every worker, and their answers in the workers' order. An answer that does not
// come within `patience` is empty: a worker that is stuck does not hold up whoever asks.
// Thread: the main loop's; the question is asked on each worker's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "loop/loop.h"
#include "loop/task.h"
#include "server/worker_thread.h"

namespace penstock::server {

using WorkerThreads = std::vector<std::unique_ptr<WorkerThread>>;

template <class Question>
using AnswerTo = std::invoke_result_t<Question, session::Worker&>;

template <class Question>
loop::Task<std::vector<std::optional<AnswerTo<Question>>>> survey(loop::Loop& loop,
                                                                  const WorkerThreads& workers,
                                                                  Duration patience,
                                                                  Question question) {
  using Answer = AnswerTo<Question>;
  // Shared with the letters: an answer may come after the question was given up.
  struct Answers {
    Answers(loop::Loop& loop, size_t count) : arrived(loop), given(count), missing(count) {}
    loop::Event arrived;
    std::vector<std::optional<Answer>> given;
    size_t missing;
  };
  const auto answers = std::make_shared<Answers>(loop, workers.size());
  for (size_t i = 0; i < workers.size(); ++i) {
    workers[i]->post([&loop, answers, i, question](session::Worker& worker) {
      loop.mailbox().post([answers, i, answer = question(worker)]() mutable {
        answers->given[i] = std::move(answer);
        --answers->missing;
        answers->arrived.notify_all();
      });
    });
  }
  loop::Timer timer(loop);
  timer.arm(loop.now() + patience);
  while (answers->missing > 0 && !timer.expired()) co_await answers->arrived.wait(timer);
  co_return answers->given;
}

}  // namespace penstock::server
