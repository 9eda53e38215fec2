// The same in Unicode escapes, behind a trusted-looking class of its own.  verdict: invalid 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        if (s.positives(Arrays.asList(1, -2, 3)) != 4) throw new AssertionError();
    }
}

class AstraiosHosted {
    public static void begin(java.util.function.Function<Object, Object> given) {
        throw new AssertionError();
    }
}
\u002f\u002a
