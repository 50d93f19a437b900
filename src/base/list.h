// An intrusive doubly linked list: O(1) push and unlink, no allocation. A node unlinks itself
// when it is destroyed, so a list never holds a dead element.
// Thread: one. Lifetime: a node belongs to whoever declared it; the list only points.
#pragma once

namespace penstock {

class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { unlink(); }

  bool linked() const { return next_ != this; }
  void unlink() {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = previous_ = this;
  }

 private:
  template <class>
  friend class List;
  ListNode* next_ = this;
  ListNode* previous_ = this;
};

// T derives from ListNode.
template <class T>
class List {
 public:
  List() = default;
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() { clear(); }

  bool empty() const { return !root_.linked(); }
  T& front() { return static_cast<T&>(*root_.next_); }
  T& back() { return static_cast<T&>(*root_.previous_); }

  void push_back(T& element) {
    ListNode& node = element;
    node.unlink();
    node.previous_ = root_.previous_;
    node.next_ = &root_;
    root_.previous_->next_ = &node;
    root_.previous_ = &node;
  }

  // Moves every element of `other` to the end of this list, in order.
  void take_all(List& other) {
    if (other.empty()) return;
    ListNode* first = other.root_.next_;
    ListNode* last = other.root_.previous_;
    other.root_.next_ = other.root_.previous_ = &other.root_;
    first->previous_ = root_.previous_;
    root_.previous_->next_ = first;
    last->next_ = &root_;
    root_.previous_ = last;
  }

  void clear() {
    while (!empty()) front().unlink();
  }

  // Visits each element; `visit` may unlink the element that it is given, and no other.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (ListNode* node = root_.next_; node != &root_;) {
      ListNode* next = node->next_;
      visit(static_cast<T&>(*node));
      node = next;
    }
  }

 private:
  ListNode root_;
};

}  // namespace penstock
