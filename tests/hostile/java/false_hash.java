// guarantee: a hash code or a text of the sample does not make an object equal to plain data
// expect: failed
import java.util.*;

class Solution {
    static class Liar implements Comparable<Object> {
        public boolean equals(Object other) {
            return true;
        }

        public int hashCode() {
            return 1;
        }

        public String toString() {
            return "1";
        }

        public int compareTo(Object other) {
            return 0;
        }
    }

    public int next(int n) {
        return n + 1;
    }

    public List<Integer> list(int n) {
        return (List<Integer>) (List) Arrays.asList(new Liar(), 2, 3);
    }
}
