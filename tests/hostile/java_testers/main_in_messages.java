// Looks for the name of the implementation in messages and stack traces.  verdict: passed 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        for (List<Integer> given : Arrays.asList(null, (List<Integer>) (List<?>) Arrays.asList("a"))) {
            try {
                s.positives(given);
                throw new IllegalStateException();
            } catch (NullPointerException | ClassCastException thrown) {
                StringBuilder told = new StringBuilder(String.valueOf(thrown.getMessage()));
                for (StackTraceElement each : thrown.getStackTrace()) {
                    told.append(each);
                }
                assert !told.toString().matches("(?s).*(Main|Met[$]|Reference|Implementation|Mutant).*") : told;
            }
        }
    }
}
