#include "kernel_text.h"
#include <cctype>

namespace emulator
{
namespace
{
bool in_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

class Rewriter
{
  public:
    explicit Rewriter(const std::string& text) : text_(text) {}

    std::string run()
    {
        while (at_ < text_.size())
        {
            if (text_[at_] == '"' || text_[at_] == '\'')
            {
                result_ += quoted();
            }
            else if (std::isdigit(static_cast<unsigned char>(text_[at_])))
            {
                result_ += number();
            }
            else if (in_word(text_[at_]))
            {
                take(word());
            }
            else
            {
                result_ += text_[at_++];
            }
        }

        return result_ + "\n" + entries_;
    }

  private:
    void take(const std::string& name)
    {
        if (name == "__shared__")
        {
            shared();
        }
        else if (name == "__launch_bounds__")
        {
            bounds_ = parenthesised();
        }
        else if (name == "__global__")
        {
            kernel_follows_ = true;
        }
        else if (name == "reinterpret_cast" && last() == '*')
        {
            // The compiler's own check leaves out structs that are copied whole.
            result_ += "emulator::aligned_cast";
        }
        else if (kernel_follows_ && next_is('('))
        {
            entries_ += "extern \"C\" __attribute__((visibility(\"default\"))) emulator::Entry emulator_entry_" + name +
                        " = emulator::entry<&" + name + ">" + (bounds_.empty() ? "(1024)" : bounds_) + ";\n";
            kernel_follows_ = false;
            bounds_.clear();
            result_ += name;
        }
        else
        {
            result_ += name;
        }
    }

    // `extern __shared__` and `__shared__` alike; an alignas behind it has to move in front.
    void shared()
    {
        bool is_extern = drop_last("extern");
        if (!is_extern)
        {
            drop_last("static");
        }

        skip_space();
        std::string alignment;
        if (text_.compare(at_, 7, "alignas") == 0)
        {
            alignment = word() + parenthesised() + " ";
        }

        result_ += alignment + (is_extern ? "extern __thread " : "static __thread ");
    }

    char last() const
    {
        size_t end = result_.find_last_not_of(" \t\n");
        return end == std::string::npos ? ' ' : result_[end];
    }

    bool drop_last(const std::string& name)
    {
        size_t end = result_.find_last_not_of(" \t\n");
        bool found = end != std::string::npos && end + 1 >= name.size() &&
                     result_.compare(end + 1 - name.size(), name.size(), name) == 0;
        if (found)
        {
            result_.erase(end + 1 - name.size());
        }

        return found;
    }

    std::string word()
    {
        size_t start = at_;
        while (at_ < text_.size() && in_word(text_[at_]))
        {
            at_++;
        }

        return text_.substr(start, at_ - start);
    }

    // With the apostrophes that may stand between its digits.
    std::string number()
    {
        size_t start = at_;
        while (at_ < text_.size() && (in_word(text_[at_]) || (text_[at_] == '\'' && in_word(text_[at_ + 1]))))
        {
            at_++;
        }

        return text_.substr(start, at_ - start);
    }

    std::string quoted()
    {
        size_t start = at_;
        char quote = text_[at_++];
        while (at_ < text_.size() && text_[at_] != quote)
        {
            at_ += text_[at_] == '\\' ? 2 : 1;
        }

        return text_.substr(start, ++at_ - start);
    }

    std::string parenthesised()
    {
        skip_space();
        size_t start = at_;
        int depth = 0;
        do
        {
            depth += text_[at_] == '(' ? 1 : text_[at_] == ')' ? -1 : 0;
        } while (++at_ < text_.size() && depth > 0);
        return text_.substr(start, at_ - start);
    }

    void skip_space()
    {
        while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_])))
        {
            at_++;
        }
    }

    bool next_is(char c) const
    {
        size_t next = text_.find_first_not_of(" \t\n", at_);
        return next != std::string::npos && text_[next] == c;
    }

    const std::string& text_;
    size_t at_ = 0;
    bool kernel_follows_ = false;
    std::string bounds_, result_, entries_;
};
}

std::string host_text_of(const std::string& preprocessed) { return Rewriter(preprocessed).run(); }
}
