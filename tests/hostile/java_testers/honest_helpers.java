// Honest: helper methods, a class of its own, an exception that is no AssertionError.  verdict: passed all
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        check(s, 4, 1, -2, 3);
        check(s, 0);
        check(s, 0, -1);
        check(s, 2, 2);
    }

    static void check(Solution s, int wanted, Integer... given) {
        if (s.positives(Arrays.asList(given)) != wanted) {
            throw new Wrong();
        }
    }
}

class Wrong extends RuntimeException {
}
