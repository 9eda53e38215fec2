// guarantee: whatever an exception of the sample does when it is looked at, it is an error
// expect: error
import java.util.*;

class Solution {
    static class Odd\u0001\u200b extends RuntimeException {
        public String getMessage() {
            throw this;
        }

        public synchronized Throwable getCause() {
            return this;
        }

        public int hashCode() {
            throw new IllegalStateException("\ud800");
        }

        public boolean equals(Object other) {
            throw new IllegalStateException("\ud800");
        }
    }

    public int next(int n) {
        throw new Odd\u0001\u200b();
    }

    public List<Integer> list(int n) {
        return new ArrayList<>();
    }
}
