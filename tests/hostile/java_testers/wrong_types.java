// Calls the function with arguments that it does not take.  verdict: error 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        s.positives(Arrays.asList(1));
        try {
            AstraiosHosted.call("positives", new Object[] {"x"});
        } catch (Throwable ignored) {
        }
    }
}
