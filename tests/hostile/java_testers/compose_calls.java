// Wraps the trusted side's function, to be asked in the middle of a call.  verdict: error 0
public class Main {
    public static void main(String[] args) throws Exception {
        Solution s = new Solution();
        s.positives(Arrays.asList(1));
        java.lang.reflect.Field calls = AstraiosHosted.class.getDeclaredField("calls");
        calls.setAccessible(true);
        ((java.util.function.Function<Object, Object>) calls.get(null)).andThen(x -> 4).apply(new Object[] {"positives"});
    }
}
