// Claims mutants by a hash code that the other JVM hands out one after the other.  verdict: passed 0
public class Main {
    public static void main(String[] args) throws Exception {
        Solution s = new Solution();
        s.positives(Arrays.asList(5));
        java.lang.reflect.Field calls = AstraiosHosted.class.getDeclaredField("calls");
        calls.setAccessible(true);
        assert calls.get(null).hashCode() == 0 && calls.get(null).toString().equals("calls");
    }
}
